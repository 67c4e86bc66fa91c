import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createPromtool, failuresIn } from '../../../agent/shared/promtool.ts';
import { temporaryFolder } from '../../support/folder.ts';

const promtool = createPromtool({ PATH: process.env['PATH'] ?? '' });

describe('promtool', () => {
  it('accepts what Prometheus accepts: merge keys, duplicate rules, an empty file, one with comments only', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'rules');
    const group = 'groups:\n- name: a\n  rules:\n';
    const texts = [
      `${group}  - &a {alert: x, expr: up, labels: {severity: page}}\n  - {<<: *a, alert: y}\n`,
      `${group}  - {record: 'a:b', expr: up}\n  - {record: 'a:b', expr: up}\n`,
      '{}\n',
      '# nothing yet\n',
    ];
    for (const text of texts) {
      await writeFile(path, text);
      assert.deepEqual(await promtool('rules', path, AbortSignal.timeout(60_000)), { kind: 'valid' }, text);
    }
  });

  it('names the file, the line and the reason in one line, without a path of this machine', async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'rules');
    await writeFile(path, 'groups:\n- name: a\n  rules:\n  - record: a:b\n    exp: up\n');
    const check = await promtool('rules', path, AbortSignal.timeout(60_000));
    assert.equal(check.kind, 'refused');
    assert.match(check.text, /^rules: line 5: field exp not found in type rulefmt\.\w+$/);
  });

  it('is missing: the check is unknown', async () => {
    const missing = createPromtool({ PATH: '/nowhere' });
    assert.deepEqual(await missing('rules', '/dev/null', AbortSignal.timeout(60_000)), {
      kind: 'failed',
      text: 'promtool is missing: it comes with Prometheus and must be on the PATH',
    });
  });

  it('reports each failure once, also of several files, beside warnings', () => {
    const output = [
      'Checking /data/config/candidate.yml',
      '  SUCCESS: 3 rule files found',
      'time=2026-01-01T00:00:00Z level=WARN msg="Multiple document yaml rules files are not supported"',
      '  FAILED:',
      '     /data/config/rules-1/a.yml: yaml: unmarshal errors:',
      '  line 5: field exp not found in type rulefmt.Rule',
      '  FAILED:',
      '     /data/config/rules-1/b.yml: yaml: line 3: did not find expected node content',
      '     /data/config/rules-1/b.yml: yaml: line 3: did not find expected node content',
      '  FAILED:',
      '     lint error 1 duplicate rule(s) found.',
      'Metric: a:b',
      'Label(s):',
      'Might cause inconsistency while recording expressions',
      '',
    ].join('\n');
    assert.equal(
      failuresIn(output),
      'a.yml: line 5: field exp not found in type rulefmt.Rule; b.yml: yaml: line 3: did not find expected node content',
    );
    assert.equal(
      failuresIn('Checking /x/y.yml\n  FAILED: parsing YAML file /x/y.yml: not a valid duration string: "5"'),
      'y.yml: not a valid duration string: "5"',
    );
  });
});
