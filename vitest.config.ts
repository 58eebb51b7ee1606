import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/**/*.long.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // A bound against hanging only; no test measures time with it.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    // One more than the two cores: much of a test is waiting for a Django or a database to start.
    pool: 'forks',
    maxWorkers: 3,
    passWithNoTests: false,
  },
});
