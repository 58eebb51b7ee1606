import type { CommonSettings } from '../config/settings.js';
import { adoptCommand } from './commands/adopt.js';
import { auditCommand } from './commands/audit.js';
import { benchCommand } from './commands/bench.js';
import { cleanupCommand } from './commands/cleanup.js';
import { completionCommand } from './commands/completion.js';
import { deadLettersCommand } from './commands/dead-letters.js';
import { doctorCommand } from './commands/doctor.js';
import { migrateCommand } from './commands/migrate.js';
import { revokeCommand } from './commands/revoke.js';
import { serveCommand } from './commands/serve.js';
import { sessionsCommand } from './commands/sessions.js';
import type { CommandDescriptor } from './descriptor.js';

/** All commands, in the order in which the help, the manual and the completion show them. */
export const COMMANDS: readonly CommandDescriptor<CommonSettings>[] = [
  serveCommand,
  migrateCommand,
  cleanupCommand,
  sessionsCommand,
  revokeCommand,
  auditCommand,
  doctorCommand,
  deadLettersCommand,
  benchCommand,
  adoptCommand,
  completionCommand,
];
