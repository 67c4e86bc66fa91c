import assert from 'node:assert/strict';
import { it } from 'node:test';
import { readImageName } from '../../broker/image-name.ts';

it('the name of an image says its registry, if any, its repository, and a tag or a digest', () => {
  for (const [name, registry, repository, reference] of [
    ['prometheus', '', 'prometheus', 'latest'],
    ['shop/prometheus:1', '', 'shop/prometheus', '1'],
    ['registry.example.com/prometheus', 'registry.example.com', 'prometheus', 'latest'],
    ['registry:5000/a/b/prometheus:1.2.0', 'registry:5000', 'a/b/prometheus', '1.2.0'],
    ['localhost/prometheus@sha256:0123', 'localhost', 'prometheus', 'sha256:0123'],
    ['registry:5000/prometheus', 'registry:5000', 'prometheus', 'latest'],
  ] as const) {
    assert.deepEqual(readImageName(name), { registry, repository, reference }, name);
  }
});
