import { defineConfig } from 'vitest/config';

/** Benchmarks are run through vitest for its TypeScript and its set-up of services; they print, and assert little. */
export default defineConfig({
  test: {
    include: ['benchmarks/**/*.bench.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 900_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
  },
});
