import { ADOPT_OPTIONS } from './adopt-options.js';
import { AUDIT_OPTIONS } from './audit-options.js';
import { BENCH_OPTIONS } from './bench-options.js';
import { CLEANUP_OPTIONS } from './cleanup-options.js';
import { DEAD_LETTERS_OPTIONS } from './dead-letters-options.js';
import { DOCTOR_OPTIONS } from './doctor-options.js';
import { MIGRATE_OPTIONS } from './migrate-options.js';
import type { Option, Table } from './option.js';
import { REVOKE_OPTIONS } from './revoke-options.js';
import { SERVE_OPTIONS } from './serve-options.js';
import { SESSIONS_OPTIONS } from './sessions-options.js';

/** The options of all commands: one environment, or one file, is there for several of them. */
export const ALL_OPTIONS: readonly (readonly [flag: string, option: Option<unknown>])[] = [
  SERVE_OPTIONS,
  MIGRATE_OPTIONS,
  CLEANUP_OPTIONS,
  BENCH_OPTIONS,
  REVOKE_OPTIONS,
  SESSIONS_OPTIONS,
  AUDIT_OPTIONS,
  DEAD_LETTERS_OPTIONS,
  DOCTOR_OPTIONS,
  ADOPT_OPTIONS,
].flatMap((table) => Object.entries(table as Table));
