import { AUDIT_OPTIONS } from '../../config/audit-options.js';
import { auditSettings } from '../../config/audit-settings.js';
import type { AuditSettings } from '../../config/settings.js';
import type { AuditRow } from '../../store/audit-log.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';
import { snakeCased } from '../snake-case.js';

export const auditCommand: CommandDescriptor<AuditSettings> = {
  name: 'audit',
  group: 'Sessions',
  summary: 'who ended which session, when and why',
  examples: [
    'carelink-tokens audit --user 4711',
    'carelink-tokens audit --since 7d --kind reuse',
    'carelink-tokens audit --limit all --json > audit.jsonl',
  ],
  table: AUDIT_OPTIONS,
  first: ['user', 'since', 'kind', 'limit', 'json'],
  settings: auditSettings,
  run: audit,
};

async function audit(settings: AuditSettings, output: Output): Promise<ExitCode> {
  const { onAudit } = await import('../../compose/audit.js');
  let rows = 0;
  const more = await onAudit(settings, (row) => {
    if (rows++ === 0) output.say(HEADING);
    output.document(snakeCased({ event: 'deed', ...row }));
    output.say(line(row));
  });
  output.document({ event: 'end', rows, more });
  if (rows === 0) output.say('Nothing of that is recorded.');
  if (more) output.say(`There are older ones: see --limit.`);
  return 0;
}

const WIDTHS = [20, 16, 9, 6] as const;
const HEADING = columns(['at', 'what', 'scope', 'tokens'], 'user, who did it, why');

/** One line a deed: an export is read line by line, too. */
function line({ lastAt, times, kind, scope, tokens, user, actor, reason }: AuditRow): string {
  const rest = [
    user === null ? undefined : `user ${user}`,
    `by ${actor}`,
    reason ?? undefined,
    times > 1 ? `${times} times` : undefined,
  ];
  return columns(
    [`${lastAt.slice(0, 19)}Z`, kind, scope, String(tokens)],
    rest.filter((part) => part !== undefined).join(', '),
  );
}

function columns(cells: readonly string[], rest: string): string {
  return plain([...cells.map((cell, at) => cell.padEnd(WIDTHS[at] ?? 0)), rest].join('  '));
}

/** A reason is whatever a site's code wrote: it must not move a terminal's cursor, or look like another line. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
}
