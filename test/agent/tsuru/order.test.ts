import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { discover } from '../../../agent/discovery/discover.ts';
import { readAppDetails, readAppList } from '../../../agent/tsuru/answers.ts';
import { learnDetails, learnList } from '../../../agent/tsuru/knowledge.ts';
import { shuffledDeep } from '../../support/shuffled.ts';
import { OPTIONS } from '../../support/known-apps.ts';

/** Few different words, so that names, addresses and values often meet. */
const word = fc.constantFrom('', 'a', 'b', 'web', '10.0.0.1', 'prometheus.io/port', '9100');
const pairs = fc.array(fc.record({ name: word, value: word }), { maxLength: 4 });
const metadata = fc.record({ annotations: pairs, labels: pairs });
const unit = fc.record({
  ...{ ID: word, Name: word, ProcessName: word, Status: fc.constantFrom('started', 'stopped', 'starting', 7) },
  ...{ Version: fc.constantFrom(0, 1), InternalIP: word, HostAddr: word, HostPort: word },
});
const app = fc.record(
  {
    ...{ name: fc.constantFrom('a', 'b', ''), pool: word, teamowner: word, ip: word, metadata },
    ...{ cname: fc.array(word), routers: fc.array(fc.record({ name: word, address: word })) },
    ...{ units: fc.array(unit, { maxLength: 6 }), error: fc.constantFrom('', 'unable to list app units: x') },
  },
  { requiredKeys: ['name'] },
);
const port = fc.record({
  ...{ Process: word, Protocol: fc.constantFrom('TCP', 'UDP') },
  ...{ TargetPort: fc.constantFrom(80, 8888, 'x'), Version: fc.constantFrom('', '1') },
});
const details = fc.record({
  ...{ name: fc.constant('a'), internalAddresses: fc.array(port), units: fc.array(unit, { maxLength: 2 }) },
  processes: fc.array(fc.record({ name: word, metadata }), { maxLength: 4 }),
});

/** The result, or the error's text: that is the same in any order, too. */
function outcome(read: () => unknown): string {
  try {
    return JSON.stringify(read(), (_, value: unknown) => (value instanceof Map ? [...value] : value));
  } catch (error) {
    return String(error);
  }
}

describe('the order of the lists in an answer of Tsuru does not matter', () => {
  it('in the list of apps, also for names and units that are listed twice', () => {
    fc.assert(
      fc.property(fc.array(app, { maxLength: 5 }), (list) => {
        assert.equal(
          outcome(() => readAppList(shuffledDeep(list))),
          outcome(() => readAppList(list)),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('in an app in full', () => {
    fc.assert(
      fc.property(details, (answer) => {
        assert.equal(
          outcome(() => readAppDetails(shuffledDeep(answer), 'a')),
          outcome(() => readAppDetails(answer, 'a')),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('so that the same apps are the same object, and the same targets', () => {
    fc.assert(
      fc.property(fc.array(app, { maxLength: 5 }), details, (list, answer) => {
        fc.pre(!outcome(() => readAppDetails(answer, 'a')).includes('Error'));
        const told = learnDetails(learnList(new Map(), readAppList(list), 0), 'a', readAppDetails(answer, 'a'));
        const again = learnDetails(
          learnList(told, readAppList(shuffledDeep(list)), 1),
          'a',
          readAppDetails(shuffledDeep(answer), 'a'),
        );
        assert.equal(again, told);
        assert.deepEqual(discover(again, OPTIONS), discover(told, OPTIONS));
      }),
      { numRuns: 500 },
    );
  });
});
