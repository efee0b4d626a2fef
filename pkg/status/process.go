package status

import (
	"runtime"
	"runtime/debug"
)

// goRuntime adds the metrics of Go that dashboards know, under the names of the client library.
func (e *exposition) goRuntime() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	e.metric("go_info", gauge, "The version of Go; always 1.")
	e.sample("go_info", 1, "version", runtime.Version())
	e.one("go_goroutines", gauge, "Goroutines that exist.", float64(runtime.NumGoroutine()))
	e.one("go_memstats_alloc_bytes", gauge, "Bytes of objects on the heap.", float64(m.Alloc))
	e.one("go_memstats_heap_inuse_bytes", gauge, "Bytes of spans on the heap that are in use.", float64(m.HeapInuse))
	e.one("go_memstats_sys_bytes", gauge, "Bytes obtained from the system.", float64(m.Sys))
	e.one("go_memstats_last_gc_time_seconds", gauge, "When the last collection ended, in seconds since 1970.", float64(m.LastGC)/1e9)
	e.one("go_memstats_mallocs_total", counter, "Objects allocated on the heap.", float64(m.Mallocs))
	e.one("go_gc_cycles_total", counter, "Collections that have ended.", float64(gc.NumGC))
	e.one("go_gc_pause_seconds_total", counter, "Time that collections have stopped the program.", gc.PauseTotal.Seconds())
}
