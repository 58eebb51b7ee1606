import { SIMPLEJWT_TEXTS, type SimplejwtCompat, type SimplejwtTexts } from '../http/simplejwt-texts.js';
import type { Answer } from './answer.js';

/** What a refusal says of a token, whatever its words. */
export type RefusalKind =
  'invalid' | 'expired' | 'malformed' | 'blacklisted' | 'inactive' | 'password_changed';

/** One text of 5.2 says two things. */
const KINDS: ReadonlyMap<string, readonly RefusalKind[]> = kindsByText();

function kindsByText(): Map<string, RefusalKind[]> {
  const kinds = new Map<string, RefusalKind[]>();
  const add = (text: string, kind: RefusalKind): void => {
    kinds.set(text, [...new Set([...(kinds.get(text) ?? []), kind])]);
  };
  for (const texts of Object.values(SIMPLEJWT_TEXTS)) {
    add(texts.invalid, 'invalid');
    add(texts.expired, 'expired');
    add(texts.blacklisted, 'blacklisted');
    for (const text of [texts.wrongType, texts.noType, texts.noId, texts.noExp]) add(text, 'malformed');
    add(texts.inactive, 'inactive');
    add(texts.passwordChanged, 'password_changed');
  }
  return kinds;
}

/** The sentence of an answer that refuses; undefined: there is none. */
export function refusalText({ json }: Pick<Answer, 'json'>): string | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { detail, non_field_errors: errors } = json as { detail?: unknown; non_field_errors?: unknown };
  const text = detail ?? (Array.isArray(errors) ? (errors as unknown[])[0] : undefined);
  return typeof text === 'string' ? text : undefined;
}

/** A text that the other release has, and this one has not. */
export function isOfOther(text: string, compat: SimplejwtCompat): boolean {
  const [own, other] = compat === '5.2' ? (['5.2', '5.5'] as const) : (['5.5', '5.2'] as const);
  const texts = ({ invalid, expired }: SimplejwtTexts): string[] => [invalid, expired];
  return texts(SIMPLEJWT_TEXTS[other]).includes(text) && !texts(SIMPLEJWT_TEXTS[own]).includes(text);
}

/** None: it says something else, or in another language. */
export function refusalKinds(answer: Pick<Answer, 'json'>): readonly RefusalKind[] {
  const text = refusalText(answer);
  if (text === undefined) return [];
  const known = KINDS.get(text);
  if (known !== undefined) return known;
  if (/^Token '.{1,64}' claim has expired$/.test(text)) return ['expired'];
  return /^Token has no '.{1,64}' claim$/.test(text) ? ['malformed'] : [];
}
