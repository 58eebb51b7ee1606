import { path, text } from './kinds.js';
import { inGroup, list, optional, toggle } from './option.js';
import { ENV_FILE_OPTION, SHARED_OPTIONS } from './shared-options.js';
import { tableName } from './sql-kinds.js';

/** All that `adopt` takes. It reads two files and connects to nothing. */
export const ADOPT_OPTIONS = {
  ...inGroup('Steps', {
    'print-probe': toggle({ help: 'print the probe: run it with `manage.py shell < probe.py > facts.json`' }),
    facts: optional(path('file'), { help: 'what the probe printed; - is stdin' }),
    out: optional(path('file'), {
      help: 'write the settings for `serve --env-file` there (mode 0600)',
      absentText: 'nothing is written',
    }),
    force: toggle({ help: 'write over a file that is there', typed: true }),
  }),
  ...inGroup('Site', {
    'user-view': optional(tableName, {
      help: "your view that says who may refresh, where one column of Django's user table does not",
      absentText: 'none',
    }),
    accept: list(text('setting'), {
      help: 'a setting that cannot be kept, and that you can do without: it no longer makes the exit code 1',
    }),
    'signing-key-file': optional(path('file'), {
      help: 'where you will put the key that Django signs with; only its path is written',
      absentText: 'carelink-signing.key beside --out',
    }),
  }),
  json: SHARED_OPTIONS.json,
  'log-level': SHARED_OPTIONS['log-level'],
  ...inGroup('Environment and output', {
    quiet: toggle({ help: 'say the verdict only' }),
  }),
  ...ENV_FILE_OPTION,
};
