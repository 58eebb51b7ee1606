/** Runs in the page of --html: draws the plots out of the data that stands in it. uPlot is a global there. */
export {};

interface Plotter {
  new (options: object, data: readonly (readonly (number | null)[])[], at: unknown): unknown;
}
interface Page {
  readonly uPlot: Plotter;
  readonly document: { getElementById(id: string): { textContent: string; clientWidth: number } };
  matchMedia(query: string): { matches: boolean };
}
interface Data {
  readonly curves: Record<string, [number, number][]>;
  readonly slices: {
    atMs: number;
    durationMs: number;
    successes: number;
    meanMs: number;
    p50Ms: number;
    p99Ms: number;
    maxMs: number;
  }[];
}

const page = globalThis as unknown as Page;
const data = JSON.parse(page.document.getElementById('report').textContent) as Data;
const dark = page.matchMedia('(prefers-color-scheme: dark)').matches;
const [ink, grid] = dark ? ['#9aa8b6', '#2c3640'] : ['#5b6b7b', '#e6ebf0'];
const COLOURS = ['#2f6fde', '#d9822b', '#b3261e', '#0a9d6b'];
const axis = (more: object): object => ({
  stroke: ink,
  grid: { stroke: grid, width: 1 },
  ticks: { stroke: grid },
  ...more,
});

function plot(
  id: string,
  names: readonly string[],
  rows: readonly (readonly (number | null)[])[],
  options: object,
): void {
  const at = page.document.getElementById(id);
  const series = names.map((label, n) =>
    n === 0
      ? { label }
      : { label, stroke: COLOURS[(n - 1) % COLOURS.length], width: 2, points: { show: false } },
  );
  new page.uPlot({ width: at.clientWidth, height: 260, series, ...options }, rows, at);
}

const curves = Object.entries(data.curves);
const longest = curves.map(([, points]) => points).sort((a, b) => b.length - a.length)[0] ?? [];
// The further to the right, the rarer: every step of one is a decade.
const decades = longest.map((_, n) => n * 0.05);
const label = (decade: number): string =>
  decade <= 0 ? '0 %' : `${(100 * (1 - 10 ** -decade)).toFixed(Math.max(0, Math.round(decade) - 2))} %`;
const range = (_: unknown, low: number, high: number): [number, number] => [
  0,
  low === high ? low + 1 : high * 1.05,
];
plot(
  'percentiles',
  ['percentile', ...curves.map(([name]) => `${name} (ms)`)],
  [decades, ...curves.map(([, points]) => decades.map((_, n) => points[n]?.[1] ?? null))],
  {
    scales: { x: { time: false }, y: { range } },
    axes: [
      axis({
        values: (_: unknown, splits: number[]) => splits.map((at) => (Number.isInteger(at) ? label(at) : '')),
      }),
      axis({ label: 'ms', labelGap: 0, size: 60 }),
    ],
  },
);
const seconds = data.slices.map(({ atMs }) => atMs / 1000);
const time = { scales: { x: { time: false }, y: { range } } };
plot(
  'timeline',
  ['s', 'p50 (ms)', 'mean (ms)', 'p99 (ms)'],
  [
    seconds,
    data.slices.map((s) => s.p50Ms),
    data.slices.map((s) => s.meanMs),
    data.slices.map((s) => s.p99Ms),
  ],
  { ...time, axes: [axis({}), axis({ label: 'ms', size: 60 })] },
);
plot(
  'rate',
  ['s', 'refreshes/s'],
  [seconds, data.slices.map((s) => (s.successes * 1000) / Math.max(1, s.durationMs))],
  { ...time, height: 160, axes: [axis({ label: 'seconds' }), axis({ label: '1/s', size: 60 })] },
);
