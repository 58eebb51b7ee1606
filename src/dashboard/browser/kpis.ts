import { byId, make, setClass, setText } from './elements.js';
import { figure } from './format.js';
import type { Kpi, KpiWindow, Snapshot } from './snapshot.js';

interface Card {
  readonly root: HTMLElement;
  readonly verdict: HTMLElement;
  readonly value: HTMLElement;
  readonly unit: HTMLElement;
  readonly target: HTMLElement;
  readonly note: HTMLElement;
}

const WORDS: Readonly<Record<Kpi['verdict'], string>> = {
  pass: 'holds',
  fail: 'missed',
  unmeasured: 'unmeasured',
};
const DIGITS: Readonly<Record<string, number>> = { ms: 2, '%': 2, statements: 3 };

/** The five lights, over the window that is chosen. */
export class Kpis {
  readonly #cards = new Map<string, Card>();
  #latest: Snapshot | undefined;

  constructor() {
    byId('windows').addEventListener('change', () => this.#latest && this.show(this.#latest));
  }

  show(snapshot: Snapshot): void {
    this.#latest = snapshot;
    const chosen = document.querySelector<HTMLInputElement>('#windows input:checked')?.value as KpiWindow;
    for (const kpi of snapshot.kpis.kpis) {
      if (kpi.window !== chosen) continue;
      const { id, name, verdict, value, unit, comparison, target, numerator, denominator, note } = kpi;
      const card = this.#cards.get(id) ?? this.#add(id, name);
      setClass(card.root, `card kpi ${verdict}`);
      setText(card.verdict, WORDS[verdict]);
      setText(card.value, figure(value, DIGITS[unit] ?? 2));
      setText(card.unit, value === null ? '' : ` ${unit}`);
      setText(card.target, `to be ${comparison} ${target} ${unit}; of ${figure(denominator)}`);
      card.root.title = `${figure(numerator, 1)} / ${figure(denominator)}`;
      setText(card.note, note ?? '');
    }
  }

  #add(id: string, name: string): Card {
    const [verdict, value, unit] = [make('span', 'verdict'), make('span', ''), make('small', '')];
    const [target, note] = [make('p', 'quiet'), make('p', 'quiet')];
    const head = make('div', 'head', make('h3', '', name.charAt(0).toUpperCase() + name.slice(1)), verdict);
    const root = make('li', 'card kpi', head, make('p', 'figure', value, unit), target, note);
    root.dataset['kpi'] = id;
    byId('kpi-list').append(root);
    const card = { root, verdict, value, unit, target, note };
    this.#cards.set(id, card);
    return card;
  }
}
