/** The order of the folders is in eslint.config.js; this finds circles of files, which that cannot see. */
export default {
  forbidden: [
    { name: 'no-circle', severity: 'error', from: { path: '^(agent|broker)/' }, to: { circular: true } },
    {
      name: 'no-circle-at-run-time',
      comment: "Types may go round in tests: the local Tsuru's state names what its parts define.",
      severity: 'error',
      from: { path: '^test/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: { tsPreCompilationDeps: true, doNotFollow: { path: 'node_modules' } },
};
