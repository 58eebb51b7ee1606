import { byId, make } from './elements.js';
import type { Alert } from './snapshot.js';

let shown = '';

/** What is wrong now, and what to do. Written anew only when it has changed, so that a reader isn't interrupted. */
export function showAlerts(alerts: readonly Alert[]): void {
  const key = JSON.stringify(alerts);
  if (key === shown) return;
  shown = key;
  byId('alerts').className = alerts.length === 0 ? 'calm' : '';
  byId('alert-list').replaceChildren(...(alerts.length === 0 ? [make('li', '', 'none')] : alerts.map(entry)));
}

function entry({ code, severity, title, detail, action, sinceMs }: Alert): HTMLElement {
  const since = new Date(sinceMs).toLocaleTimeString('en-GB');
  const root = make(
    'li',
    `alert ${severity}`,
    make('p', '', make('b', '', title), make('span', '', detail)),
    make('p', '', action),
    make('code', '', `${code} since ${since}`),
  );
  root.dataset['code'] = code;
  return root;
}
