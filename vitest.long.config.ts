import { defineConfig } from 'vitest/config';

/** Chaos, soak and long fuzz runs: one file at a time, so that what is measured is not shared. */
export default defineConfig({
  test: {
    include: ['test/**/*.long.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 1_800_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
  },
});
