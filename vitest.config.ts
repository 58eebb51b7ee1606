import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/**/*.long.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // A bound against hanging only; no test measures time with it.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    // Two cores: more forks than that only make the real services slower for each other.
    pool: 'forks',
    maxWorkers: 2,
    passWithNoTests: false,
  },
});
