/** One line at the bottom of a terminal that is written over again and again. */
export class LiveLine {
  readonly #stream: NodeJS.WriteStream;
  #shown = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(text: string): void {
    // A line that wraps could not be taken back.
    const room = (this.#stream.columns || 80) - 1;
    this.clear();
    this.#stream.write(text.length > room ? `${text.slice(0, room - 1)}…` : text);
    this.#shown = true;
  }

  clear(): void {
    if (!this.#shown) return;
    this.#stream.cursorTo(0);
    this.#stream.clearLine(0);
    this.#shown = false;
  }
}
