import type { IncomingHttpHeaders } from 'node:http';
import type { RouteName } from '../../observe/requests.js';
import type { Reply } from '../respond.js';

/** A request to one of the four endpoints, as far as it says where its token is. */
export interface Asking {
  readonly route: RouteName;
  readonly headers: IncomingHttpHeaders;
  readonly hasBody: boolean;
  /** The token of the body. @param absent what stands for it where the body has no such field */
  readonly inBody: (absent?: string | Reply) => string | Reply | Promise<string | Reply>;
}

/** What a refresh that was granted gives to its client. */
export interface Granted {
  /** Of the request, as it came. */
  readonly presented: string;
  readonly access: string;
  /** Undefined: the client keeps the token that it has. */
  readonly refresh: string | undefined;
  /** When the refresh token that the client has now can be used no more. */
  readonly refreshExpiresAtSeconds: number;
  /** Now, by the database's clock. */
  readonly atUs: number;
}

/** The body of an answer, and the values of the `Set-Cookie` headers that go with it. */
export interface Handed {
  readonly body: string;
  readonly cookies: readonly string[];
  /** More of them: names and values. Undefined: those of an answer without cookies. */
  readonly headers?: readonly string[];
}

/** How the tokens of browsers travel in cookies. Absent: they travel in bodies. */
export interface CookieStyle {
  /** The token of a request, from cookie or body, or why it is refused. Asked for each request to an endpoint. */
  find(asking: Asking): string | Reply | Promise<string | Reply>;
  /** Or the answer that a browser would not keep them. */
  hand(headers: IncomingHttpHeaders, granted: Granted): Handed | Reply;
  /** The answer to a log-out that was done, without its cookies. */
  readonly loggedOut: Reply;
  /** Values of `Set-Cookie` that make a browser forget its tokens. */
  clear(headers: IncomingHttpHeaders): readonly string[];
}
