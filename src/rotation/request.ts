import type { Subject } from './claims.js';
import type { Span } from './span.js';

/** A refresh under way: a verified token, and how long it may take. */
export interface Request {
  readonly token: string;
  readonly subject: Subject;
  readonly arrivedAtUs: number;
  readonly deadlineMs: number;
  /** Should the token turn out to be spent, somebody may have stolen it: `--on-reuse` says what follows. */
  readonly accuses: boolean;
  readonly trace: Trace;
  /** Undefined: nobody traces it. */
  readonly span: Span | undefined;
}

/** What is told of a refresh when it is over. */
interface Trace {
  /** It met another refresh of its token in flight: here, or at another instance. */
  met: boolean;
  /** The state of its token had to be read from the database: no cache knew it. */
  read: boolean;
}
