import tseslint from 'typescript-eslint'

const benchOnly = [
  ['google-auth-library', 'undici-oidc-interceptor', '@azure/*'],
  'what the benches compare with is a dependency of bench/ alone',
]

/** Which folders a folder must not import: the arrows of docs/architecture.md, held by the linter. */
const arrows = (files, ...forbidden) => ({
  files,
  rules: {
    'no-restricted-imports': [
      'error',
      { patterns: [benchOnly, ...forbidden].map(([group, message]) => ({ group, message })) },
    ],
  },
})

const notWorkers = [
  ['**/workers/**'],
  'src/ runs on the caller’s thread: it names the worker file’s URL, no more',
]
const notUsers = [
  ['**/demo/**', '**/examples/**', '**/bench/**', '**/test/**', '**/cli/**'],
  'the library does not know its users',
]
const onlyNeutralGround = [
  [
    '**/src/*.js',
    '!**/src/protocol.js',
    '!**/src/errors.js',
    '!**/src/token.js',
    '!**/src/clock.js',
    '!**/src/alarm.js',
    '!**/src/repeats.js',
    '!**/src/store.js',
  ],
  'workers/ imports from src/ the neutral ground only: protocol, errors, token, clock, alarm, repeats, store',
]

/** Request handlers: they run on a pool's threads, and are users like any other. */
const handler = ['workers/handler.ts', 'workers/handler/**/*.ts']
const publicFaceOnly = [
  ['**/src/*.js', '!**/src/index.js'],
  'a handler is a user: it imports the public face',
]

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'coverage/'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true } }],
      'no-console': 'error',
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: 'always' }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // A signal's reason is whatever its owner gave.
      '@typescript-eslint/prefer-promise-reject-errors': [
        'error',
        { allowThrowingUnknown: true, allowThrowingAny: true },
      ],
    },
  },
  {
    // Nothing in the core reads a clock or sets a timer by itself (docs/architecture.md, "Time").
    files: ['src/**/*.ts', 'workers/**/*.ts'],
    ignores: ['src/clock.ts', ...handler],
    rules: {
      'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'performance'],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'take the injected clock' },
        { object: 'Math', property: 'random', message: 'take the injected random' },
        { object: 'process', property: 'hrtime', message: 'take the injected clock' },
      ],
    },
  },
  { ...arrows(['**/*.ts']), ignores: ['bench/**'] },
  arrows(['src/**/*.ts'], notWorkers, notUsers, [['**/simulator/**', '**/testing/**'], 'src/ stands alone']),
  {
    ...arrows(['workers/**/*.ts'], onlyNeutralGround, notUsers, [
      ['**/simulator/**', '**/testing/**'],
      'workers/ stands alone',
    ]),
    ignores: handler,
  },
  arrows(handler, publicFaceOnly, notUsers),
  // Piscina calls a module's default export.
  { files: ['workers/handler.ts', 'load-test/pool-handler.ts'], rules: { 'no-restricted-exports': 'off' } },
  arrows(['simulator/**/*.ts'], notUsers, [
    ['**/src/**', '**/workers/**'],
    'the simulator shares no code with what it tests',
  ]),
  { files: ['*.config.ts'], rules: { 'no-restricted-exports': 'off' } },
  arrows(['testing/**/*.ts'], notWorkers, notUsers),
  {
    files: ['demo/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', 'cli/**/*.ts', 'load-test/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
)
