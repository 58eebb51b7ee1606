import type { Alert, AlertRule, Reading } from './alert.js';
import { ReadingHistory } from './history.js';

interface Watch {
  readonly rule: AlertRule;
  /** Since when it is so. */
  readonly beganMs: number;
  seenMs: number;
  alert: Alert | undefined;
}

export interface Changes {
  readonly raised: readonly Alert[];
  readonly cleared: readonly Alert[];
}

/** Turns readings into alerts: raised once, and cleared once it has been over for a while. The time is given in. */
export class AlertEngine {
  readonly #rules: readonly AlertRule[];
  readonly #watches = new Map<string, Watch>();
  readonly #history = new ReadingHistory();

  constructor(rules: readonly AlertRule[]) {
    this.#rules = rules;
  }

  /** @param nowMs on a clock that nobody sets back */
  evaluate(reading: Reading, nowMs: number): Changes {
    this.#history.add(reading, nowMs);
    const before = this.#history.minuteAgo(nowMs);
    const longBefore = this.#history.fiveMinutesAgo(nowMs);
    const raised: Alert[] = [];
    const cleared: Alert[] = [];
    for (const rule of this.#rules) {
      for (const { subject, detail } of rule.judge(reading, before, longBefore)) {
        const key = `${rule.code} ${subject}`;
        const watch: Watch = this.#watches.get(key) ?? {
          rule,
          beganMs: nowMs,
          seenMs: nowMs,
          alert: undefined,
        };
        this.#watches.set(key, watch);
        watch.seenMs = nowMs;
        if (watch.alert !== undefined) {
          watch.alert = { ...watch.alert, detail };
        } else if (nowMs - watch.beganMs >= rule.forMs) {
          const { code, severity, title, action } = rule;
          watch.alert = { code, severity, title, action, subject, detail, sinceMs: reading.wallClockMs };
          raised.push(watch.alert);
        }
      }
    }
    for (const [key, { rule, seenMs, alert }] of this.#watches) {
      if (seenMs === nowMs) continue;
      if (alert !== undefined && nowMs - seenMs < rule.clearMs) continue;
      this.#watches.delete(key);
      if (alert !== undefined) cleared.push(alert);
    }
    return { raised, cleared };
  }

  /** In the order of the rules. */
  active(): readonly Alert[] {
    const alerts = [...this.#watches.values()].flatMap(({ alert }) => alert ?? []);
    const rank = (alert: Alert): number => this.#rules.findIndex(({ code }) => code === alert.code);
    return alerts.sort((a, b) => rank(a) - rank(b) || a.subject.localeCompare(b.subject));
  }
}
