import type { Facts } from './facts.js';

/** What the operator says beside the facts. */
export interface Choices {
  /** A view that says who may refresh; undefined: there is none. */
  readonly userView: string | undefined;
  /** Where the operator puts the key: an absolute path. */
  readonly signingKeyFile: string;
}

/** What all verdicts are made of. */
export interface Site {
  readonly facts: Facts;
  readonly choices: Choices;
}

type Values = ReadonlyMap<string, unknown>;

/** A setting of simplejwt; undefined where that release has none of the name. */
export function settingOf({ facts }: Site, name: string): unknown {
  return (facts.simple_jwt?.values as Values | undefined)?.get(name);
}

export function textSetting(site: Site, name: string): string | undefined {
  const value = settingOf(site, name);
  return typeof value === 'string' ? value : undefined;
}

/** simplejwt's blacklist app is installed, by the name that simplejwt looks for. */
export const hasApp = ({ facts }: Site): boolean =>
  facts.token_blacklist?.installed === true && facts.token_blacklist.named;

export const simplejwtVersion = ({ facts }: Site): string | undefined =>
  facts.versions?.get('simplejwt') ?? undefined;

/** The endpoints that go over to carelink-tokens, with the class that Django has there. */
export function mounted(site: Site, kind: string) {
  const seen = new Set<string>();
  // Django takes the first pattern that fits.
  return (site.facts.token_views?.found ?? []).filter((view) => {
    const first = !seen.has(view.path);
    seen.add(view.path);
    return first && view.kind === kind;
  });
}
