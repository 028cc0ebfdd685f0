package litert

import "time"

// OpenImpatient opens an environment on the GPU that waits for runs no longer than this. Open returns it too from then
// on.
func OpenImpatient(library string, run time.Duration) (*Environment, error) {
	limit := defaultLimits()
	limit.run = run
	return openShared(library, true, limit)
}
