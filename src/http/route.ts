import type { IncomingHttpHeaders } from 'node:http';
import type { RouteName } from '../observe/requests.js';
import type { Span } from '../rotation/span.js';
import type { TokenField } from './fields.js';
import type { Reply } from './respond.js';

export interface TokenRoute {
  readonly name: RouteName;
  /** DRF's name of the view, told to OPTIONS. */
  readonly title: string;
  readonly field: TokenField;
  /** Rejects only where code or infrastructure is broken: that becomes a 500. */
  handle(token: string, headers: IncomingHttpHeaders, span?: Span): Promise<Reply>;
}
