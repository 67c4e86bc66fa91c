import { readFile } from 'node:fs/promises';
import { asArray, asObject } from '../../agent/shared/shape.ts';

/** A target as the target file has it. */
export interface FileTarget {
  readonly unit: string;
  readonly address: string;
}

/** @throws when there is no such file, or it is damaged. */
export async function readTargets(path: string): Promise<readonly FileTarget[]> {
  const groups = asArray(JSON.parse(await readFile(path, 'utf8')), 'the target file');
  return groups.flatMap((raw) => {
    const { targets, labels } = asObject(raw, 'a group');
    const unit = labels === undefined ? '' : asObject(labels, 'labels')['__meta_tsuru_unit'];
    return asArray(targets, 'targets').map((address) => ({ unit: String(unit), address: String(address) }));
  });
}
