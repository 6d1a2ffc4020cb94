import { isBuiltin } from 'node:module'
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

const project = (name: string, options: Record<string, unknown> = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout: 30_000, ...options },
})

export default defineConfig({
  test: {
    // Most tests wait for threads, processes and sockets: on two cores vitest would run one file at a time.
    maxWorkers: Math.max(3, availableParallelism()),
    projects: [
      project('unit'),
      project('simulator'),
      project('thread'),
      project('request-path'),
      project('testing'),
      project('stores', { testTimeout: 60_000 }),
      // Node 20 has no SQLite; what is said there is tested in `unit`.
      ...(isBuiltin('node:sqlite')
        ? [project('sqlite', { testTimeout: 240_000, hookTimeout: 120_000 })]
        : []),
      project('fleet', { testTimeout: 240_000, hookTimeout: 120_000 }),
      project('model', { testTimeout: 240_000 }),
      project('demo', { testTimeout: 60_000 }),
      project('handler'),
      project('load-test', { testTimeout: 120_000 }),
      project('examples', { globalSetup: 'test/packaging/installed.ts' }),
      project('packaging', { testTimeout: 120_000, globalSetup: 'test/packaging/installed.ts' }),
    ],
  },
})
