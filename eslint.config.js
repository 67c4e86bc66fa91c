import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** No file may import a main: a main is started, never used. */
const NO_MAIN = { regex: '(^|/)main\\.ts$', message: 'A main wires and starts; import the part you need instead.' };

/**
 * The order of the folders: each may import those before it, and none after it or what composes them in the root. So a file can be read, tested and
 * changed without what is built on it, and nothing goes round in circles. What a folder needs of a later one it is given as an argument.
 */
const AGENT_FOLDERS = [
  // What both programs use, and the machine below.
  ...['shared', 'system'],
  // From Tsuru's answers to targets on disk.
  ...['discovery', 'tsuru', 'targets'],
  // What can be asked of Prometheus, its data, and how much it can hold.
  ...['prometheus/api', 'storage', 'capacity'],
  // What it runs with, and as.
  ...['prometheus/sync', 'prometheus/configuration', 'prometheus/process'],
  // What is seen of its scrapes and of what it sends.
  ...['redirects', 'samples', 'failures'],
  // What is told, and shown.
  ...['page', 'report', 'gateway'],
];
/** In the broker the root has words and types that all use (names, errors, metrics, context), beside what composes; each command composes, too. */
const BROKER_FOLDERS = ['plans', 'tsuru', 'instances/parts', 'instances', 'reconciler', 'http', 'commands'];
const BROKER_ROOT = /^(broker|config)\.ts$/;

const BROWSER_GLOBALS = Object.fromEntries(
  ['DOMParser', 'document', 'fetch', 'location', 'navigator', 'setInterval'].map((name) => [name, 'readonly']),
);

/** A rule for each folder of a program that says what it may not import. */
function ordered(program, folders, patterns) {
  const whole = { files: [`${program}/**/*.ts`], rules: restricted(patterns) };
  return [
    whole,
    ...folders
      .filter((folder) => !['shared', 'commands'].includes(folder))
      .map((folder) => ruleOf(program, folders, folder, patterns)),
  ];
}

function ruleOf(program, folders, folder, patterns) {
  const up = '\\.\\./'.repeat(folder.split('/').length);
  const later = folders.slice(folders.indexOf(folder) + 1);
  const [parent] = folder.split('/');
  const beside = later
    .filter((one) => folder.includes('/') && one.startsWith(`${parent}/`))
    .map((one) => one.split('/')[1]);
  const root = program === 'agent' ? '[\\w-]+\\.ts$' : BROKER_ROOT.source.slice(1);
  const regexes = [
    `^${up}${root}`,
    ...later.map((one) => `^${up}${one}/${one === parent ? '[^/]+$' : ''}`),
    ...beside.map((one) => `^\\.\\./${one}/`),
    ...(later.includes(parent) ? [`^\\.\\./[\\w-]+\\.ts$`] : []),
  ];
  const message = `${program}/${folder}/ comes before that in the order of the folders (eslint.config.js says why).`;
  return {
    files: [`${program}/${folder}/${folders.some((one) => one.startsWith(`${folder}/`)) ? '*' : '**/*'}.ts`],
    rules: restricted([...patterns, ...regexes.map((regex) => ({ regex, message }))]),
  };
}

function restricted(patterns) {
  return { 'no-restricted-imports': ['error', { patterns: [NO_MAIN, ...patterns] }] };
}

export default tseslint.config(
  { ignores: ['dist/'] },
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-restricted-imports': ['error', { patterns: [NO_MAIN] }],
    },
  },
  {
    files: ['**/*.test.ts', '**/*.long.ts', 'test/image/*.ts'],
    rules: {
      // node:test's describe and it return promises that the runner itself awaits.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['describe', 'it', 'test', 'suite'] },
          ],
        },
      ],
    },
  },
  ...ordered('agent', AGENT_FOLDERS, [
    { regex: '(^|/)(broker|test)/', message: 'The agent never imports the broker or a test.' },
  ]),
  ...ordered('broker', BROKER_FOLDERS, [
    { regex: '(^|/)agent/(?!shared/)', message: 'The broker may import only agent/shared/.' },
  ]),
  ...['agent/shared/*.ts', 'agent/shared/*/**/*.ts'].map((files, depth) => ({
    files: [files],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            NO_MAIN,
            {
              regex: depth === 0 ? '^\\.\\./(?!\\.\\./package\\.json$)' : '^\\.\\./\\.\\./',
              message: 'agent/shared/ stands alone: the broker uses it too.',
            },
          ],
        },
      ],
    },
  })),
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly' } },
  },
  {
    // What browsers run.
    files: ['agent/page/static/*.js'],
    languageOptions: { sourceType: 'script', globals: BROWSER_GLOBALS },
  },
);
