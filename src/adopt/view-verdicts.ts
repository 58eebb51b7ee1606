import type { TokenView } from './facts.js';
import { pathRows } from './path-verdicts.js';
import { mounted, type Site } from './site.js';
import { cannot, differs, same, type Row } from './verdict.js';

/** The endpoints that this server can answer, by the kinds of the probe. */
const KINDS = ['refresh', 'verify', 'blacklist', 'sliding'] as const;

/** Where the views are mounted, and what each of them does besides simplejwt's own steps. */
export function viewRows(site: Site): Row[] {
  const { token_views } = site.facts;
  if (token_views === null) return [];
  const views = KINDS.flatMap((kind) => mounted(site, kind));
  return [
    ...pathRows(site),
    ...classRows(views),
    ...PROPERTIES.flatMap((property) => propertyRows(property, views)),
    ...token_views.unrecognised.map(({ path, view }) =>
      differs(
        `view ${path}`,
        view,
        'It is none of simplejwt that is known. It stays at Django; if it makes or takes refresh tokens, look at it.',
      ),
    ),
  ];
}

const DJ_REST_AUTH = 'dj_rest_auth.jwt_auth.get_refresh_view.<locals>.RefreshViewWithCookieSupport';

/** Serializers that the class of a view brings by itself. */
const OWN_SERIALIZERS: Readonly<Record<string, string>> = {
  [DJ_REST_AUTH]: 'dj_rest_auth.jwt_auth.CookieTokenRefreshSerializer',
};

function classRows(views: readonly TokenView[]): Row[] {
  return views.flatMap((view) => {
    const rows: Row[] = [];
    const setting = `view ${view.path}`;
    const known = view.stock || view.view in OWN_SERIALIZERS;
    const lost =
      view.overrides.length > 0 && !known
        ? `What it overrides is not run here: ${view.overrides.join(', ')}.`
        : undefined;
    rows.push(
      lost === undefined
        ? same(
            setting,
            view.view,
            known ? 'The same steps are done here.' : "It overrides none of simplejwt's steps.",
          )
        : cannot(setting, view.view, `${lost} Leave this path at Django, or do without it.`),
    );
    const own = view.serializer_fixed ? view.serializer : undefined;
    if (own !== undefined && own !== STOCK_SERIALIZERS[view.kind] && own !== OWN_SERIALIZERS[view.view])
      rows.push(
        cannot(
          `serializer ${view.path}`,
          own ?? '(unknown)',
          own === null
            ? 'The view did not tell it to the probe.'
            : 'The view names it, and its Python is not run here.',
        ),
      );
    if (view.decorators.length > 0)
      rows.push(cannot(`decorators ${view.path}`, view.decorators, 'They are not run here.'));
    const more = view.arguments.filter((name) => !TOLD_ELSEWHERE.has(name));
    if (more.length > 0)
      rows.push(cannot(`as_view() ${view.path}`, more, 'These arguments mean nothing here.'));
    return rows;
  });
}

const STOCK_SERIALIZERS: Readonly<Record<string, string>> = {
  refresh: 'rest_framework_simplejwt.serializers.TokenRefreshSerializer',
  verify: 'rest_framework_simplejwt.serializers.TokenVerifySerializer',
  blacklist: 'rest_framework_simplejwt.serializers.TokenBlacklistSerializer',
  sliding: 'rest_framework_simplejwt.serializers.TokenRefreshSlidingSerializer',
};

const TOLD_ELSEWHERE = new Set([
  'serializer_class', 'authentication_classes', 'permission_classes', 'throttle_classes', 'throttle_scope', 'renderer_classes',
  'parser_classes', 'content_negotiation_class', 'versioning_class',
]); // prettier-ignore

interface Property {
  readonly setting: string;
  /** What the view has of it, each by its name. */
  readonly of: (view: TokenView) => readonly string[];
  readonly judge: (setting: string, names: readonly string[], where: string) => Row;
}

const names = (value: readonly (string | null)[] | string | null): string[] =>
  (Array.isArray(value) ? (value as readonly (string | null)[]) : [value as string | null]).map(
    (name) => name ?? '(unknown)',
  );

const JSON_RENDERER = 'rest_framework.renderers.JSONRenderer';
const BROWSABLE = 'rest_framework.renderers.BrowsableAPIRenderer';
const PARSERS = ['JSONParser', 'FormParser', 'MultiPartParser'].map(
  (name) => `rest_framework.parsers.${name}`,
);

/** Only the one that is known is the same. */
const onlyKnown =
  (known: readonly string[], ok: string, lost: string): Property['judge'] =>
  (setting, found, where) =>
    found.every((name) => known.includes(name))
      ? same(setting, found, ok)
      : cannot(
          setting,
          found.filter((name) => !known.includes(name)),
          `${lost} (${where})`,
        );

const PROPERTIES: readonly Property[] = [
  {
    setting: 'EXCEPTION_HANDLER',
    of: (view) => names(view.exception_handler),
    judge: onlyKnown(
      ['rest_framework.views.exception_handler'],
      "Errors have Django REST framework's bodies.",
      "Its bodies of errors are not made here: they are simplejwt's, with `error` added.",
    ),
  },
  {
    setting: 'throttles',
    of: (view) => view.throttles.map(({ class: name, rate }) => (rate === null ? name : `${name} ${rate}`)),
    judge: (setting, found, where) =>
      found.length === 0
        ? same(setting, found, 'None.')
        : cannot(
            setting,
            found,
            `They are not asked here. See --throttle-user and --throttle-address, which count otherwise: refreshes that are granted, and forged tokens. (${where})`,
          ),
  },
  {
    setting: 'renderers',
    of: (view) => names(view.renderers),
    judge(setting, found, where) {
      const strange = found.filter((name) => name !== JSON_RENDERER && name !== BROWSABLE);
      if (strange.length > 0)
        return cannot(setting, strange, `Answers here are plain JSON with simplejwt's names. (${where})`);
      if (!found.includes(JSON_RENDERER)) return cannot(setting, found, `Answers here are JSON. (${where})`);
      return found.includes(BROWSABLE)
        ? differs(
            setting,
            found,
            'A person with a browser gets JSON here, and no page to try it. Clients get the same.',
          )
        : same(setting, found, 'JSON.');
    },
  },
  {
    setting: 'parsers',
    of: (view) => names(view.parsers),
    judge(setting, found, where) {
      const strange = found.filter((name) => !PARSERS.includes(name));
      if (strange.length > 0) return cannot(setting, strange, `Bodies of its kind get 415 here. (${where})`);
      return found.length === PARSERS.length
        ? same(setting, found, 'JSON and forms.')
        : differs(setting, found, 'JSON, forms and multipart are all read here.');
    },
  },
  {
    setting: 'authentication',
    of: (view) => names(view.authentication),
    judge: onlyKnown([], 'None: the token itself is the proof.', 'It is not asked here.'),
  },
  {
    setting: 'permissions',
    of: (view) => names(view.permissions),
    judge: onlyKnown(['rest_framework.permissions.AllowAny'], 'None.', 'They are not asked here.'),
  },
  {
    setting: 'content negotiation',
    of: (view) => names(view.negotiation),
    judge: onlyKnown(
      ['rest_framework.negotiation.DefaultContentNegotiation'],
      'JSON.',
      'It is not run here.',
    ),
  },
  {
    setting: 'versioning',
    of: (view) => (view.versioning === null ? [] : [view.versioning]),
    judge: onlyKnown([], 'None.', 'No version is read from a request here, and none is refused.'),
  },
];

/** One row for all views that have the same. */
function propertyRows({ setting, of, judge }: Property, views: readonly TokenView[]): Row[] {
  const groups = new Map<string, { readonly found: readonly string[]; readonly paths: string[] }>();
  for (const view of views) {
    const found = of(view);
    const group = groups.get(found.join('\n')) ?? { found, paths: [] };
    group.paths.push(view.path);
    groups.set(found.join('\n'), group);
  }
  const several = groups.size > 1;
  return [...groups.values()].map(({ found, paths }) =>
    judge(several ? `${setting} ${paths.join(' ')}` : setting, found, paths.join(', ')),
  );
}
