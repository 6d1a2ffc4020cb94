// The thread's first file. The ESM loader reads each level of an import graph through libuv's pool: on one that the
// application has saturated, a thread (a restarted one too) would load for minutes. `require` of a module reads at once.
require('./refresher.js')
