import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { children, flag, readBody, text, texts, type Body } from './input.ts';

const FORM = 'application/x-www-form-urlencoded';

describe('inputs are the same', () => {
  const wanted = { name: 'my-app', tags: ['a', 'b'], private: true, envs: ['A=1', 'B=2'] };
  const bodies: readonly (readonly [kind: string, contentType: string, body: string])[] = [
    [
      'as JSON, whatever the case of its names',
      'application/json',
      '{"Name":"my-app","tags":["a","b"],"PRIVATE":true,"envs":[{"Name":"A","Value":"1"},{"name":"B","value":"2"}]}',
    ],
    [
      'as a form with indices',
      FORM,
      'name=my-app&tags.0=a&tags.1=b&private=true&envs.0.name=A&envs.0.value=1&envs.1.name=B&envs.1.value=2',
    ],
    [
      'as a form that repeats a name',
      FORM,
      'name=my-app&tags=a&tags=b&private=1&envs.1.name=B&envs.1.value=2&envs.0.name=A&envs.0.value=1',
    ],
    [
      'as a form in parts',
      'multipart/form-data; boundary=x',
      Object.entries({
        name: 'my-app',
        'tags.0': 'a',
        'tags.1': 'b',
        private: 't',
        'envs.0.name': 'A',
        'envs.0.value': '1',
      })
        .concat(Object.entries({ 'envs.1.name': 'B', 'envs.1.value': '2' }))
        .map(([name, value]) => `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
        .join('')
        .concat('--x--\r\n'),
    ],
  ];
  for (const [kind, contentType, body] of bodies) {
    it(kind, () => {
      assert.deepEqual(read(readBody(body, contentType)), wanted);
    });
  }
});

it('the local Tsuru reads a name with a dot from a form where it is escaped', () => {
  const { tree } = readBody('routeropts.a\\.b=c', FORM);
  assert.deepEqual(tree, { routeropts: { 'a.b': 'c' } });
});

it('the local Tsuru refuses what is not JSON, and takes an empty body for no inputs', () => {
  assert.throws(() => readBody('{"name', 'application/json'), { status: 400, message: /^unable to parse as json: / });
  assert.deepEqual(readBody('', 'application/json').tree, {});
});

function read({ tree }: Body) {
  return {
    name: text(tree, 'name'),
    tags: texts(tree, 'tags'),
    private: flag(tree, 'private'),
    envs: children(tree, 'envs').map((env) => `${text(env, 'name')}=${text(env, 'value')}`),
  };
}
