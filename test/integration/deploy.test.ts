import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { ALERT_CODES } from '../../src/observe/alerts/alert.js';
import { type FreshDatabase } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';

const file = (path: string) => readFileSync(new URL(`../../deploy/${path}`, import.meta.url), 'utf8');
const RULES = file('prometheus/carelink-tokens.rules.yaml');

interface Dashboard {
  readonly uid: string;
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets: readonly { readonly expr: string }[];
  }[];
}
const DASHBOARD = JSON.parse(file('grafana/carelink-tokens.json')) as Dashboard;

/** Metric names of PromQL, with the labels that it selects or groups by. */
function namesIn(expression: string): string[] {
  return expression.match(/\b(?:carelink|process|nodejs)_\w+/g) ?? [];
}

/** `expr:` of the rules, folded lines included. */
function ruleExpressions(): { alert: string; expr: string }[] {
  return RULES.split('- alert: ')
    .slice(1)
    .map((rule) => ({
      alert: rule.slice(0, rule.indexOf('\n')),
      expr: /expr: (?:>-\n)?([^]*?)\n {8}(?:for|labels):/.exec(rule)?.[1] ?? '',
    }));
}

describe.skipIf(services().postgres === undefined)('deploy/', () => {
  let database: FreshDatabase;
  let series: string;
  let ofWorkers: string;
  beforeAll(async () => {
    database = await migratedDatabase();
    // What only one of them exports is of that one's alone: a rule over it says nothing of the other.
    const [alone, workers] = await Promise.all(
      [[], ['--workers', '2']].map(async (args) => {
        const server = await startServer({ databaseUrl: database.url, args });
        const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
        await server.stop();
        return text;
      }),
    );
    series = alone!;
    ofWorkers = workers!;
  });
  afterAll(() => database.drop());

  const exported = () => {
    const names = new Set<string>();
    for (const [, name, type] of (series + ofWorkers).matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
      // A histogram has no series of its own name.
      if (type !== 'histogram') names.add(name!);
      else for (const part of ['bucket', 'sum', 'count']) names.add(`${name}_${part}`);
    }
    return names;
  };

  it('every metric of the Prometheus rules is one that the server exports', () => {
    const rules = ruleExpressions();
    expect(rules.length).toBeGreaterThan(10);
    for (const { alert, expr } of rules) {
      expect(namesIn(expr), alert).not.toEqual([]);
      for (const name of namesIn(expr)) expect([...exported()], `${alert}: ${name}`).toContain(name);
    }
  });

  it('every metric of the Grafana dashboard is one that the server exports', () => {
    for (const { title, targets } of DASHBOARD.panels) {
      for (const { expr } of targets) {
        expect(namesIn(expr), title).not.toEqual([]);
        for (const name of namesIn(expr)) expect([...exported()], `${title}: ${name}`).toContain(name);
      }
    }
  });

  it('values of labels that rules select by are values that the server writes', () => {
    for (const [, label, values] of RULES.matchAll(/(?<!\w)(outcome|kind|window|store|use)=~?"([^"]+)"/g)) {
      for (const value of values!.split('|')) expect(series + KPI_WINDOWS).toContain(`${label}="${value}"`);
    }
  });

  it('the rules name codes that there are, and every code is handed on', () => {
    for (const [, code] of RULES.matchAll(/^ +code: (\w+)$/gm)) expect(ALERT_CODES).toContain(code);
    for (const code of ALERT_CODES) {
      for (const text of [series, ofWorkers])
        expect(text).toContain(`carelink_alert_active{code="${code}"} `);
    }
  });

  it('workers export what one process does', () => {
    const names = (text: string) => [...text.matchAll(/^# TYPE (carelink_\w+) /gm)].map(([, name]) => name!);
    const together = names(ofWorkers);
    expect(new Set(together).size).toBe(together.length);
    expect(names(series).filter((name) => !together.includes(name))).toEqual([]);
    expect(together.filter((name) => !names(series).includes(name))).toEqual([
      'carelink_workers',
      'carelink_workers_wanted',
      'carelink_worker_deaths_total',
    ]);
  });

  it('panels have a number each and do not overlap', () => {
    const { panels } = DASHBOARD;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { gridPos: a, id } of panels) {
      expect(a.x + a.w).toBeLessThanOrEqual(24);
      for (const { gridPos: b, id: other } of panels) {
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        expect(id === other || apart).toBe(true);
      }
    }
  });
});

/** KPIs have no series until they are measured. */
const KPI_WINDOWS = 'window="1m" window="15m"';
