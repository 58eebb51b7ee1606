import uPlot from 'uplot';
import { figure } from './format.js';
import type { History } from './history.js';

export interface Line {
  readonly label: string;
  /** A custom property of the style sheet, so that a theme decides. */
  readonly colour: string;
}

const HEIGHT = 175;
const HEIGHT_NARROW = 150;
/** What the legend takes is more where it wraps. */
const NARROW = 420;

/** A plot over time that follows its element's width and the page's theme. */
export class Plot {
  readonly #element: HTMLElement;
  readonly #lines: readonly Line[];
  readonly #history: History;
  readonly #digits: number;
  #plot: uPlot;

  constructor(element: HTMLElement, lines: readonly Line[], history: History, digits: number) {
    this.#element = element;
    this.#lines = lines;
    this.#history = history;
    this.#digits = digits;
    this.#plot = this.#draw();
    new ResizeObserver(() => this.#plot.setSize(this.#size())).observe(element);
  }

  update(): void {
    this.#plot.setData(this.#data());
    this.#tellLatest();
  }

  /** Where nobody points at a moment the legend tells the latest. */
  #tellLatest(): void {
    const points = this.#history.rows[0]?.length ?? 0;
    if ((this.#plot.cursor.left ?? -1) < 0 && points > 0) this.#plot.setLegend({ idx: points - 1 });
  }

  /** After the theme has changed. */
  redraw(): void {
    this.#plot.destroy();
    this.#plot = this.#draw();
  }

  #data(): uPlot.AlignedData {
    // uPlot keeps what it is given, and compares nothing: the rows themselves will do.
    return this.#history.rows as unknown as uPlot.AlignedData;
  }

  #size(): { width: number; height: number } {
    const width = Math.max(200, this.#element.clientWidth);
    return { width, height: width < NARROW ? HEIGHT_NARROW : HEIGHT };
  }

  #draw(): uPlot {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const axis: uPlot.Axis = {
      stroke: colour('--quiet'),
      grid: { stroke: colour('--grid'), width: 1 },
      ticks: { stroke: colour('--grid'), width: 1, size: 4 },
      font: '11px system-ui, sans-serif',
    };
    const value = (_: uPlot, one: number | null): string => (one === null ? '-' : figure(one, this.#digits));
    return new uPlot(
      {
        ...this.#size(),
        padding: [8, 26, 0, 0],
        cursor: { drag: { x: false, y: false }, points: { size: 6 } },
        scales: {
          x: { time: true },
          y: { range: (_, __, max) => [0, Math.max(max * 1.1, this.#digits > 0 ? 1 : 5)] },
        },
        axes: [
          { ...axis, size: 30, space: 70, values: '{HH}:{mm}:{ss}' },
          { ...axis, size: 44, values: (_, ticks) => ticks.map((tick) => short(tick)) },
        ],
        series: [
          { label: 'time', value: '{HH}:{mm}:{ss}' },
          ...this.#lines.map((line) => ({
            label: line.label,
            stroke: colour(line.colour),
            width: 1.6,
            points: { show: false },
            value,
          })),
        ],
      },
      this.#data(),
      this.#element,
    );
  }
}

function short(value: number): string {
  return value >= 10_000 ? `${figure(value / 1_000)}k` : figure(value, value < 1 && value > 0 ? 1 : 0);
}
