import { durationMs } from './kinds.js';
import { inGroup, optional, toggle, valued } from './option.js';
import { TOKEN_TABLES_OPTION } from './rotation-options.js';
import { SHARED_OPTIONS } from './shared-options.js';
import { objectName } from './sql-kinds.js';
import { PASSWORD_OPTIONS, USER_OPTIONS } from './user-options.js';

/** All that `migrate` takes. */
export const MIGRATE_OPTIONS = {
  ...inGroup('What is made', {
    'create-tables': toggle({
      help: "make simplejwt's tables where there are none: for a database without Django",
    }),
  }),
  ...TOKEN_TABLES_OPTION,
  ...inGroup('What is made', {
    'build-covered': toggle({ help: 'build an index even where another one covers it' }),
    notify: toggle({
      help: 'install triggers that tell every server what Django does by itself: log-outs, users deactivated or deleted, changed passwords',
    }),
  }),
  ...USER_OPTIONS,
  ...PASSWORD_OPTIONS,
  ...inGroup('Site', {
    'home-schema': optional(objectName('schema'), {
      help: "up: the schema of Django's tables, where several have them and it can't be told which one this is for",
      absentText: 'the one that the search path leads to',
    }),
  }),
  ...inGroup('This run', {
    role: optional(objectName('role'), {
      help: 'grants: the role that serve, cleanup, revoke, doctor and audit connect as; after `grants django`: that Django does',
      absentText: 'the role of --database-url',
    }),
    'dry-run': toggle({ help: 'repair: tell what would be written, and change nothing' }),
    'subscribers-ready': toggle({
      help: 'up: subscribers of a publication FOR ALL TABLES have the new tables; plan prints what to run there first. Clients such as Debezium need nothing',
      typed: true,
    }),
    'drop-tables': toggle({
      help: 'down: drop tables that migrate made, with the tokens in them',
      typed: true,
    }),
    yes: toggle({ help: 'down, of all migrations: do it; without this only the plan is shown', typed: true }),
    'lock-timeout': valued(durationMs({ min: '1ms', max: '1m' }), {
      default: '100ms',
      help: 'how long one try for a lock may make live traffic wait; it is tried again',
    }),
    'max-wait': optional(durationMs({ min: '0ms', max: '7d' }), {
      help: 'how long another run, or a transaction that a build waits for, may be in the way',
      absentText: '5s for another run, no end for a transaction',
    }),
  }),
  ...SHARED_OPTIONS,
};
