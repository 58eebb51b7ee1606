import { MIGRATE_OPTIONS } from '../../config/migrate-options.js';
import { migrateSettings } from '../../config/migrate-settings.js';
import type { MigrateSettings } from '../../config/settings.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';

export const migrateCommand: CommandDescriptor<MigrateSettings> = {
  name: 'migrate',
  summary: 'apply the migrations that are pending',
  examples: [
    'DATABASE_URL=postgres://django@db/app carelink-tokens migrate',
    'carelink-tokens migrate --database-url postgres://localhost/tokens --create-tables',
  ],
  table: MIGRATE_OPTIONS,
  settings: migrateSettings,
  run: migrate,
};

async function migrate(settings: MigrateSettings, output: Output): Promise<ExitCode> {
  const { runMigrations } = await import('../../compose.js');
  const report = await runMigrations(settings);
  output.document(report);
  for (const step of report.steps) {
    const by = step.coveredBy === undefined ? '' : ` by ${step.coveredBy}`;
    const took = step.outcome === 'applied' ? ` (${Math.round(step.durationMs)} ms)` : '';
    output.say(`${step.outcome.padEnd(8)} ${step.name}${by}${took}`);
  }
  return 0;
}
