import type { Room } from './room.js';
import type { Skipped } from './vacuum.js';

/** What a cleanup tells while it works. */
export type CleanupEvent =
  /** An older release migrated this database: whose Django's ours is isn't written down. */
  | { readonly event: 'home_unwritten' }
  /** Rows of other tables go, or lose their reference, with the tokens: their foreign keys say so. */
  | { readonly event: 'others_follow'; readonly keys: readonly string[] }
  | {
      readonly event: 'started';
      /** Rows that expired before this moment go. */
      readonly cutoff: string;
      readonly backlogRows: number;
      /** False: PostgreSQL's own estimate. */
      readonly backlogExact: boolean;
      /** Rows are kept so much longer, since tokens of this site outlive them; 0: they don't. */
      readonly extraLifetimeMs: number;
    }
  | {
      readonly event: 'progress';
      readonly deleted: number;
      /** Still to be looked at; as uncertain as the backlog that was told at the start. */
      readonly leftRows: number;
      readonly rowsPerSecond: number;
      /** Undefined until it can be told. */
      readonly remainingMs: number | undefined;
      readonly batchSize: number;
      readonly percent: number;
    }
  /** Told when it changes. Slowdown 1: over. Infinity: stopped. */
  | { readonly event: 'pressure'; readonly slowdown: number; readonly reasons: readonly string[] }
  /** Sessions of other roles have read tokens, and this one may not see whether they are a request or a backup. */
  | { readonly event: 'sessions_hidden'; readonly roles: readonly string[]; readonly role: string }
  | { readonly event: 'retry'; readonly reason: string; readonly batchSize: number }
  /** A row that others held on to even by itself: for the next run. */
  | { readonly event: 'stepped_over'; readonly id: string; readonly reason: string }
  /** Rows of the audit that are past their retention; after the tokens. */
  | { readonly event: 'audit_progress'; readonly deleted: number }
  /** --audit-retention was asked for, and the migration `audit` is pending. */
  | { readonly event: 'audit_missing' }
  | { readonly event: 'vacuum_started' }
  /** `skipped`: tables that it passed over. */
  | { readonly event: 'vacuum_finished'; readonly durationMs: number; readonly skipped: readonly Skipped[] }
  /** A SQLSTATE, as a rule. */
  | { readonly event: 'vacuum_failed'; readonly reason: string };

export type Ended =
  /** Nothing is left. */
  | 'done'
  /** --max-rows. */
  | 'max_rows'
  /** --max-duration. */
  | 'max_duration'
  /** Stopped by what goes on around it for so long that it gave up. */
  | 'pressure'
  | 'interrupted';

export interface Summary {
  readonly ended: Ended;
  readonly cutoff: string;
  /** Outstanding rows; blacklist rows that went with them. */
  readonly deleted: number;
  readonly blacklistDeleted: number;
  /** Rows past the cutoff that stay: the JWT they store expires later, or can't be read for certain. */
  readonly kept: number;
  readonly keptIds: readonly string[];
  /** Rows that others held on to; the next run takes them. */
  readonly steppedOver: number;
  /** Rows that a trigger of the site's refuses to have removed, some of their ids, and which trigger function. */
  readonly protected: { readonly rows: number; readonly ids: readonly string[]; readonly by: string };
  readonly batches: number;
  readonly retries: number;
  readonly durationMs: number;
  /** While it worked and rested, without the VACUUM. */
  readonly rowsPerSecond: number;
  readonly batchMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** How long it was slowed or stopped, by what. */
  readonly givenWay: readonly { readonly reason: string; readonly ms: number }[];
  /** Rows past the cutoff that are left. */
  readonly backlogRows: number;
  readonly vacuumMs: number | undefined;
  /** Tables that have kept far more room than their rows need; looked at after a VACUUM. */
  readonly room: readonly Room[];
  /** Rows of the audit; absent: nobody asked, or there was no time left for it. */
  readonly auditDeleted?: number;
}
