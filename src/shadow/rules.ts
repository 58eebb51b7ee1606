import type { RouteName } from '../observe/requests.js';
import type { RotationSettings } from '../rotation/context.js';

/** What is configured here, as far as a difference is explained by it. */
export interface Rules {
  readonly algorithm: string;
  readonly issuer: string | undefined;
  readonly audience: readonly string[];
  readonly settings: RotationSettings;
  readonly compat: '5.2' | '5.5';
  /** Names of the cookies that tokens travel in, where they do. */
  readonly cookies: { readonly access: string | undefined; readonly refresh: string } | undefined;
  /** A user or an address is held to a rate here as well. */
  readonly throttles: boolean;
  readonly maxTokenBytes: number;
  /** Access tokens are given what the site has for the user at that moment. */
  readonly hasFreshClaims: boolean;
}

/** One request, as far as it is compared. */
export interface Request {
  readonly route: RouteName;
  readonly method: string;
  readonly path: string;
  readonly origin: string | undefined;
  /** Names that a preflight asks for. */
  readonly requestHeaders: readonly string[];
  readonly isPreflight: boolean;
  /** Between these two, in seconds by the database's clock, Django answered. */
  readonly fromSeconds: number;
  readonly toSeconds: number;
}
