import { defineConfig } from 'vitest/config';

const LONG = 'test/**/*.long.test.ts';
/** What is killed and raced, in its short form: `npm run test:chaos`. */
const CHAOS = 'test/chaos/**/*.test.ts';
/**
 * What takes long because many servers, commands or poolers are started, one after the other, because timers are waited for,
 * or because weeks are played; and what few changes can break. `npm run test:system` runs them, too: `npm test` is to be over
 * in two minutes.
 */
const SLOW = 'test/**/*.slow.test.ts';
/** Browsers, several servers at once, the image: `npm run test:system`. */
const SYSTEM = ['test/system/**/*.test.ts', 'test/browser/**/*.test.ts', 'test/client/**/*.test.ts'];

const shared = {
  // A bound against hanging only; no test measures time with it.
  testTimeout: 180_000,
  hookTimeout: 120_000,
  pool: 'forks',
} as const;

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    // More than the two cores of a small machine: much of a test is waiting for a Django or a database to start.
    maxWorkers: 4,
    passWithNoTests: false,
    projects: [
      {
        test: {
          ...shared,
          name: 'quick',
          // A file leaves nothing behind that another one could meet, and need not load everything anew.
          isolate: false,
          include: ['test/**/*.test.ts'],
          exclude: [CHAOS, LONG, SLOW, ...SYSTEM],
        },
      },
      {
        test: { ...shared, name: 'slow', isolate: false, include: [SLOW], exclude: [CHAOS, LONG, ...SYSTEM] },
      },
      { test: { ...shared, name: 'system', include: SYSTEM, exclude: [LONG] } },
      { test: { ...shared, name: 'chaos', include: [CHAOS], exclude: [LONG] } },
    ],
  },
});
