import { SESSIONS_OPTIONS } from '../../config/sessions-options.js';
import { sessionsSettings, type SessionsSettings } from '../../config/sessions-settings.js';
import type { CommandDescriptor } from '../descriptor.js';
import type { ExitCode } from '../exit-codes.js';
import type { Output } from '../output.js';

export const sessionsCommand: CommandDescriptor<SessionsSettings> = {
  name: 'sessions',
  group: 'Sessions',
  summary:
    "a user's live sessions: since when, when last refreshed, and the id that `revoke --session` takes",
  examples: [
    'carelink-tokens sessions --user 4711',
    'carelink-tokens sessions --user 4711 --session-lifetime 30d   # as serve has it',
    'carelink-tokens sessions --user 4711 --json | jq -r ".sessions[].id"',
  ],
  table: SESSIONS_OPTIONS,
  first: ['user', 'database-url', 'limit', 'json'],
  settings: sessionsSettings,
  run: sessions,
};

async function sessions(settings: SessionsSettings, output: Output): Promise<ExitCode> {
  const [{ sessionsOfUser }, { sessionsDocument, sessionsLines }] = await Promise.all([
    import('../../compose/sessions.js'),
    import('./sessions-text.js'),
  ]);
  const found = await sessionsOfUser(settings, (sentence) => output.warn(sentence));
  if (!found.known)
    output.warn(`Not known: whether there is a user ${found.userKey}: users are not checked here.`);
  if (!found.indexed)
    output.warn(
      'No index leads to the tokens of a user, so the whole table was read. `carelink-tokens migrate` builds one.',
    );
  if (found.cut)
    output.warn(
      'The user has more rows than are looked at (100,000). A session whose newest token is older than those is not shown.',
    );
  output.document(sessionsDocument(found));
  output.say(...sessionsLines(found));
  return 0;
}
