import tseslint from 'typescript-eslint';

/** The rooms of src/ that a room may import; docs/architecture.md draws the same arrows. */
const ALLOWED = {
  rotation: [],
  jwt: [],
  config: [],
  store: ['rotation'],
  cache: ['rotation'],
  outbox: ['rotation'],
  observe: ['rotation'],
  http: ['rotation', 'observe'],
  migrate: ['store'],
  cleanup: ['store'],
  revoke: ['store', 'cleanup', 'rotation'],
  sessions: ['store', 'rotation'],
  doctor: ['store', 'migrate', 'jwt', 'cache', 'rotation'],
  adopt: ['config', 'store'],
  shadow: ['http', 'observe', 'rotation'],
  dashboard: [],
  bench: [],
  client: [],
};
const ROOMS = [
  'cli',
  'config',
  'rotation',
  'jwt',
  'store',
  'cache',
  'outbox',
  'http',
  'observe',
  'dashboard',
  'migrate',
  'cleanup',
  'revoke',
  'sessions',
  'doctor',
  'adopt',
  'shadow',
  'bench',
  'client',
];

const arrows = Object.entries(ALLOWED).map(([room, allowed]) => ({
  files: [`src/${room}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: ROOMS.filter((other) => other !== room && !allowed.includes(other))
          .map((other) => ({
            // Options are read with the parser of URLs, which is pure and imports nothing else.
            regex: `^(\\.\\./)+${other}(/|$)${room === 'config' ? '(?!database-(?:url|url-text)\\.js$)' : ''}`,
            message: `${room}/ may not import ${other}/: see docs/architecture.md.`,
          }))
          .concat([{ regex: '^(\\.\\./)+compose/', message: 'Only cli/ and index.ts compose.' }]),
      },
    ],
  },
}));

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.carelink/', 'examples/'] },
  ...tseslint.configs.strictTypeChecked.map((c) => ({ ...c, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: {
      parserOptions: {
        project: [
          './tsconfig.json',
          './test/tsconfig.json',
          './src/dashboard/browser/tsconfig.json',
          './src/client/tsconfig.json',
          './src/client/worker/tsconfig.json',
          './test/client/tsconfig.json',
        ],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      'no-console': 'error',
    },
  },
  // Only config reads the environment, and only cli prints and exits.
  {
    files: ['src/**/*.ts'],
    ignores: ['src/config/**', 'src/cli/**'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only src/config reads the environment.' },
        { object: 'process', property: 'exit', message: 'Only src/cli exits.' },
        { object: 'process', property: 'stdout', message: 'Only src/cli prints.' },
        { object: 'process', property: 'exitCode', message: 'Only src/cli sets exit codes.' },
      ],
    },
  },
  ...arrows,
  {
    files: ['test/**/*.ts', 'benchmarks/**/*.ts'],
    rules: {
      'no-console': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/require-await': 'off',
    },
  },
);
