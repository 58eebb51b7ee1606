import { MIGRATE_OPTIONS } from '../../config/migrate-options.js';
import { migrateSettings } from '../../config/migrate-settings.js';
import type { MigrateSettings } from '../../config/settings.js';
import type { MigrateEvent, Overview } from '../../migrate/index.js';
import { MIGRATE_ACTIONS } from '../../config/vocabulary.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';
import { snakeCased } from '../snake-case.js';
import { stopSignal } from '../signals.js';
import { LiveLine } from './migrate-live-line.js';
import { downLines, planLines, repairLines, statusLines } from './migrate-plan-text.js';
import { eventLine, liveText } from './migrate-text.js';

export const migrateCommand: CommandDescriptor<MigrateSettings> = {
  name: 'migrate',
  group: 'Run it',
  summary: 'make the indexes that refreshes and cleanup need, beside live traffic',
  words: [
    {
      syntax: '[action]',
      help: 'up (apply what is pending), status, plan (what up would do, and its cost), down, repair (write a lost or altered ledger anew), grants (what other roles need) (default: up)',
      suggests: MIGRATE_ACTIONS,
    },
    {
      syntax: '[names...]',
      help: 'up, down: only these migrations; grants: only for serve, cleanup, revoke or doctor',
    },
  ],
  examples: [
    'DATABASE_URL=postgres://django@db/app carelink-tokens migrate plan',
    'DATABASE_URL=postgres://django@db/app carelink-tokens migrate --max-wait 10m',
    'carelink-tokens migrate --database-url postgres://localhost/tokens --create-tables',
    'carelink-tokens migrate --notify --database-url postgres://django@db/app',
    'carelink-tokens migrate down idx_blacklisted_token_created',
    'carelink-tokens migrate down --yes             # everything; without --yes: what it would do',
    'carelink-tokens migrate repair --dry-run       # what a lost or altered ledger would be made of',
    'carelink-tokens migrate grants --role tokens --database-url postgres://django@db/app | psql postgres://django@db/app',
  ],
  table: MIGRATE_OPTIONS,
  first: ['database-url', 'notify', 'create-tables', 'max-wait', 'env-file'],
  settings: migrateSettings,
  run: migrate,
};

function migrate(settings: MigrateSettings, output: Output): Promise<ExitCode> {
  switch (settings.action) {
    case 'down':
      return down(settings, output);
    case 'up':
      return change(settings, output);
    case 'plan':
    case 'status':
      return look(settings, output);
    case 'repair':
      return repair(settings, output);
    case 'grants':
      return grants(settings, output);
  }
}

/** Who forgot --database-url would else read of a database that isn't the one he means. */
function sayEmbedded({ database }: MigrateSettings, output: Output): () => void {
  return () => {
    if (database.kind !== 'embedded') return;
    output.note(`no --database-url: this is the embedded PostgreSQL in ${database.dataDir}`);
  };
}

async function grants(settings: MigrateSettings, output: Output): Promise<ExitCode> {
  const [{ neededGrants }, { grantLines }] = await Promise.all([
    import('../../compose/migrate.js'),
    import('../../migrate/grants.js'),
  ]);
  const needed = await neededGrants(settings);
  output.document(snakeCased(needed));
  for (const line of grantLines(needed)) output.verdict(line);
  return 0;
}

/** Exit 1: something can't be repaired, and a person has to see to it. */
async function repair(settings: MigrateSettings, output: Output): Promise<ExitCode> {
  const interrupted = new AbortController();
  void stopSignal().then(() => interrupted.abort());
  const { repairMigrations } = await import('../../compose/migrate.js');
  const repairs = await repairMigrations(settings, {
    signal: interrupted.signal,
    onEmbedded: sayEmbedded(settings, output),
  });
  output.document({ event: settings.dryRun ? 'plan' : 'done', repairs: snakeCased(repairs) });
  output.say(...repairLines(repairs, settings.dryRun));
  return repairs.some(({ action }) => action === 'cannot') ? 1 : 0;
}

async function look(settings: MigrateSettings, output: Output): Promise<ExitCode> {
  const { surveyMigrations } = await import('../../compose/migrate.js');
  const { action } = settings;
  const overview = await surveyMigrations(settings, sayEmbedded(settings, output));
  output.document(snakeCased(overview));
  output.say(...(action === 'plan' ? planLines(overview) : statusLines(overview)));
  return action === 'status' && !settled(overview) ? 1 : 0;
}

function settled({ migrations, findings }: Overview): boolean {
  return (
    migrations.every(({ state }) => state === 'applied' || state === 'covered') &&
    !findings.some(({ code }) => code === 'invalid_index')
  );
}

/** All at once is never meant by the way: the plan first. */
async function down(settings: MigrateSettings, output: Output): Promise<ExitCode> {
  if (settings.yes || settings.names.length > 0) return change(settings, output);
  const { planDown } = await import('../../compose/migrate.js');
  const steps = await planDown(settings, sayEmbedded(settings, output));
  output.document({ event: 'plan', steps: snakeCased(steps) });
  output.say(...downLines(steps));
  return steps.length === 0 ? 0 : 6;
}

async function change(settings: MigrateSettings, output: Output): Promise<ExitCode> {
  const interrupted = new AbortController();
  void stopSignal().then(() => interrupted.abort());
  const teller = new Teller(output, settings);
  try {
    const { changeMigrations } = await import('../../compose/migrate.js');
    const report = await changeMigrations(settings, {
      signal: interrupted.signal,
      onEmbedded: sayEmbedded(settings, output),
      onEvent: (event) => teller.tell(event),
    });
    output.document({ event: 'done', steps: snakeCased(report.steps) });
    if (report.steps.length === 0) output.say('Nothing is to be undone.');
    return report.steps.some(({ outcome }) => outcome === 'drifted') ? 1 : 0;
  } finally {
    teller.end();
  }
}

/** In a pipe a build is told of when its phase changes, and this often besides. */
const TELL_EVERY_MS = 10_000;

/** Events as they come: JSON lines; or lines, with one that moves where there is a terminal. */
class Teller {
  readonly #output: Output;
  readonly #live: LiveLine | undefined;
  #phase = '';
  #toldAtMs = 0;

  constructor(output: Output, { json, quiet }: MigrateSettings) {
    this.#output = output;
    this.#live = !json && !quiet && process.stderr.isTTY ? new LiveLine(process.stderr) : undefined;
  }

  tell(event: MigrateEvent): void {
    this.#output.document(snakeCased(event));
    if (event.event === 'index_progress' && this.#live !== undefined) {
      this.#live.show(liveText(event.name, event.progress));
      return;
    }
    if (event.event === 'index_progress' && !this.#isDue(event)) return;
    this.#live?.clear();
    if (event.event === 'finding' && event.finding.severity === 'warn')
      this.#output.warn(event.finding.message);
    if (event.event === 'unwatched') this.#output.warn(`The build goes on unseen: ${event.reason}.`);
    const line = eventLine(event);
    if (line !== undefined && line !== '') this.#output.say(line);
  }

  end(): void {
    this.#live?.clear();
  }

  #isDue({ progress: { phase, elapsedMs } }: Extract<MigrateEvent, { event: 'index_progress' }>): boolean {
    const due = phase !== this.#phase || elapsedMs - this.#toldAtMs >= TELL_EVERY_MS;
    if (due) [this.#phase, this.#toldAtMs] = [phase, elapsedMs];
    return due;
  }
}
