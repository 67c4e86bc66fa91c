import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** No file may import a main: a main is started, never used. */
const NO_MAIN = { regex: '(^|/)main\\.ts$', message: 'A main wires and starts; import the part you need instead.' };

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
    files: ['**/*.test.ts'],
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
  // The import rule: the broker uses agent/shared/ only, the agent never the broker, and what is shared stands alone.
  {
    files: ['broker/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            NO_MAIN,
            { regex: '(^|/)agent/(?!shared/)', message: 'The broker may import only agent/shared/.' },
          ],
        },
      ],
    },
  },
  {
    files: ['agent/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            NO_MAIN,
            { regex: '(^|/)(broker|test)/', message: 'The agent never imports the broker or a test.' },
          ],
        },
      ],
    },
  },
  {
    files: ['agent/shared/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            NO_MAIN,
            {
              regex: '^\\.\\./(?!\\.\\./package\\.json$)',
              message: 'agent/shared/ stands alone: the broker uses it too.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['agent/shared/*/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            NO_MAIN,
            { regex: '^\\.\\./\\.\\./', message: 'agent/shared/ stands alone: the broker uses it too.' },
          ],
        },
      ],
    },
  },
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly' } },
  },
);
