import { styleText } from 'node:util';
import { processSource } from '../config/source.js';
import { colourForbidden } from '../config/terminal.js';
import type { Log } from '../observe/log.js';
import type { Failure } from './exit-codes.js';

type Style = Parameters<typeof styleText>[0];

/** One of the two streams, and whether it may be coloured: only a terminal, and only where NO_COLOR isn't set. */
interface Sink {
  readonly write: (text: string) => void;
  readonly style: (style: Style, text: string) => string;
}

/** Something that happened to the process itself: a signal that is ignored, a warning of Node's. */
export interface Notice {
  readonly event: 'signal_ignored' | 'node_warning';
  readonly kind: string;
  /** A sentence for people. */
  readonly cause: string;
}

/**
 * What goes where. stdout has what was asked for: text for people, or with --json documents and nothing else.
 * stderr has all the rest; with --json that is JSON lines, too, so that no text stands between the lines of a log.
 */
export class Output {
  readonly #json: boolean;
  readonly #quiet: boolean;
  readonly #out = sink(process.stdout);
  readonly #err = sink(process.stderr);
  #log: Log | undefined;

  constructor(options: { readonly json: boolean; readonly quiet: boolean }) {
    this.#json = options.json;
    this.#quiet = options.quiet;
  }

  /** From now on notices go to this log. */
  logTo(log: Log): void {
    this.#log = log;
  }

  /** With --json: one line of JSON to stdout. */
  document(value: unknown): void {
    if (this.#json) this.#out.write(`${JSON.stringify(value)}\n`);
  }

  /** Without --json: lines for people to stdout. */
  say(...lines: string[]): void {
    if (!this.#json && !this.#quiet) this.#out.write(`${lines.join('\n')}\n`);
  }

  /** The one line that is asked for even with --quiet. */
  verdict(line: string): void {
    if (!this.#json) this.#out.write(`${line}\n`);
  }

  /** Sets off a part of what is said. */
  strong(text: string): string {
    return this.#out.style('bold', text);
  }

  /** What is going on, to stderr; not with --json or --quiet. */
  note(text: string): void {
    if (!this.#json && !this.#quiet) this.#err.write(`${text}\n`);
  }

  warn(sentence: string): void {
    if (this.#json) this.#line('warn', { event: 'warning', message: sentence });
    else this.#err.write(`${this.#err.style('yellow', 'warning:')} ${sentence}\n`);
  }

  notice({ event, kind, cause }: Notice): void {
    if (this.#log === undefined) this.warn(cause);
    else if (event === 'signal_ignored') this.#log.warn('signal_ignored', { kind, cause });
    else this.#log.warn('node_warning', { kind, cause });
  }

  /**
   * What ended the command: its code, which the manual explains, and one line a problem. With --json it is the last
   * document on stdout; stderr has it as well, for whoever sees only that.
   */
  error({ code, message, exitCode }: Failure): void {
    if (this.#json) {
      const told = { event: 'error', code, exit_code: exitCode, message };
      this.document(told);
      this.#line('error', told);
    } else {
      const text = `${code}: ${message}`.replaceAll('\n', '\n       ');
      this.#err.write(`${this.#err.style('red', 'error:')} ${text}\n`);
    }
  }

  /** In the form of the log's lines. */
  #line(level: 'warn' | 'error', fields: Readonly<Record<string, unknown>>): void {
    const line = { level, time: new Date().toISOString(), pid: process.pid, ...fields };
    this.#err.write(`${JSON.stringify(line)}\n`);
  }
}

function sink(stream: NodeJS.WriteStream): Sink {
  const coloured = stream.isTTY && !colourForbidden(processSource().env);
  return {
    write: (text) => void stream.write(text),
    style: (style, text) => (coloured ? styleText(style, text) : text),
  };
}

/** A reader that has gone: of a pipe (`| head -1`), or of a terminal that was closed. */
const READER_GONE = new Set(['EPIPE', 'EIO']);

/** A reader that has gone is no reason to fall over: a server goes on, a command ends as it would. */
export function surviveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!READER_GONE.has(error.code ?? '')) throw error;
    });
  }
}
