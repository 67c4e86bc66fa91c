import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { commonStart, isInstanceName, namesOf, ownerOf } from '../../broker/names.ts';

/** Tsuru's rule for apps, volumes and tokens. */
const PART = /^[a-z][a-z0-9-]{0,39}$/;
/** That of Kubernetes for the values of labels, which Tsuru makes of names and tags. */
const LABEL = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

const letter = fc.constantFrom('a', 'b', 'x', 'z', 'A', 'B', 'X', 'Z');
const rest = fc.string({
  unit: fc.constantFrom('a', 'b', 'x', 'z', 'A', 'B', 'X', 'Z', '0', '1', '9', '-', '_'),
  minLength: 1,
  maxLength: 80,
});
const instance = fc.tuple(letter, rest).map((parts) => parts.join(''));

describe('names of parts', () => {
  it('keep an instance’s name where that can be', () => {
    assert.deepEqual(namesOf({ service: 'prometheus', instance: 'my-instance' }), {
      part: 'prometheus-my-instance',
      tag: 'prometheus-instance=prometheus/my-instance',
      tags: ['prometheus-instance=prometheus/my-instance', 'prometheus-instance=prometheus-my-instance'],
    });
    assert.equal(namesOf({ service: 'metrics', instance: 'a1' }).part, 'metrics-a1');
  });

  it('of 1,000 random instances are distinct and valid, and the tag leads back', () => {
    const all = new Set(fc.sample(instance, { numRuns: 1_000, seed: 1 }));
    const parts = new Set<string>();
    for (const name of all) {
      assert.ok(isInstanceName(name));
      const { part, tags } = namesOf({ service: 'prometheus', instance: name });
      assert.match(part, PART);
      assert.match(part, LABEL);
      assert.ok(part.startsWith(commonStart('prometheus')));
      parts.add(part);
      for (const seen of [tags, tags.toReversed()]) {
        assert.deepEqual(ownerOf(['other', ...seen]), { service: 'prometheus', instance: name });
      }
    }
    assert.equal(parts.size, all.size);
  });

  it('of a service with a long name begin alike, too', () => {
    for (const service of ['p', 'prometheus-of-the-whole-company', 'a'.repeat(30), 'b'.repeat(60)]) {
      for (const name of ['a1', 'My_App', 'm'.repeat(50), 'ends-']) {
        const { part } = namesOf({ service, instance: name });
        assert.ok(part.startsWith(commonStart(service)), part);
        assert.match(part, LABEL);
      }
    }
  });

  it('differ for names that only differ in what is lost', () => {
    const names = ['my-app', 'My-app', 'my_app', 'MY_APP', 'm'.repeat(40), 'm'.repeat(41), 'M'.repeat(41)];
    assert.equal(
      new Set(names.map((name) => namesOf({ service: 'prometheus', instance: name }).part)).size,
      names.length,
    );
  });

  it('cannot be chosen to be those of another instance', () => {
    const { part } = namesOf({ service: 'prometheus', instance: 'My_App' });
    const chosen = part.slice('prometheus-'.length);
    assert.notEqual(namesOf({ service: 'prometheus', instance: chosen }).part, part);
  });

  it('do not come from foreign tags', () => {
    for (const tag of [
      'prometheus-instance=',
      'prometheus-instance=my-instance',
      'prometheus-instance=a/1',
      'x=a/bc',
    ]) {
      assert.equal(ownerOf([tag]), undefined, tag);
    }
  });
});
