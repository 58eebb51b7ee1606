import Table from 'cli-table3';

/**
 * Columns of a terminal that is 80 wide, without lines between them.
 *
 * @param right the columns whose figures stand at their right end, counted from 0
 */
export function openTable(head: string[], right: readonly number[]): Table.Table {
  const none = Object.fromEntries(TABLE_LINES.map((name) => [name, '']));
  return new Table({
    head,
    colAligns: head.map((_, at) => (right.includes(at) ? 'right' : 'left')),
    chars: { ...none, middle: '  ' },
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
  });
}

const TABLE_LINES = [
  ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
  ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
];

/** A table with lines around it. Colours are for a terminal only, and are decided on elsewhere. */
export function plainTable(head: string[], right: readonly number[]): Table.Table {
  return new Table({
    head,
    colAligns: head.map((_, at) => (right.includes(at) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
}
