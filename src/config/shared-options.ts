import { commandLine, oneOf, path } from './kinds.js';
import { postgresUrl } from './network-kinds.js';
import { inGroup, optional, toggle, valued } from './option.js';
import { objectName } from './sql-kinds.js';
import { LOG_LEVELS } from './vocabulary.js';

/** Of every command. */
export const ENV_FILE_OPTION = inGroup('Environment and output', {
  'env-file': optional(path('file'), {
    help: 'a file with NAME=value lines; a flag beats the environment, and the environment beats the file',
    absentText: 'none',
  }),
});

/** What every command that works on a database takes. */
export const SHARED_OPTIONS = {
  ...inGroup('Database', {
    'database-url': optional(postgresUrl, {
      help: 'the PostgreSQL that Django uses too',
      absentText: 'the embedded PostgreSQL in --data-dir',
      customary: ['DATABASE_URL'],
      sensitive: true,
    }),
    'database-password-file': optional(path('file'), {
      help: 'where the password of the database is read at each connect',
      absentText: "the URL's",
    }),
    'database-password-command': optional(commandLine, {
      help: 'a program that prints it, run without a shell at each connect',
      absentText: "the URL's",
    }),
    schema: optional(objectName('schema'), {
      help: "the schema of Django's tables, where a database has several",
      absentText: "what the URL's search_path says, else the role's",
    }),
    'data-dir': valued(path('directory'), {
      default: '.carelink',
      help: 'where the embedded PostgreSQL keeps its data',
    }),
  }),
  ...ENV_FILE_OPTION,
  ...inGroup('Environment and output', {
    json: toggle({ help: 'print JSON to stdout, and nothing else there' }),
    'log-level': optional(oneOf(LOG_LEVELS), {
      help: 'what is logged to stderr',
      absentText: 'info; warn with --quiet',
    }),
    quiet: toggle({ help: 'say nothing but warnings and errors' }),
  }),
};
