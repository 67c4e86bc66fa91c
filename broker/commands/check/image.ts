import { errorText } from '../../../agent/shared/text.ts';
import { readImageName } from '../../image-name.ts';
import { good, problem, unknown, type CheckOptions, type Finding } from './finding.ts';

/** A registry answers a question for a manifest from its index. */
const REGISTRY_LIMIT_MS = 10_000;
/** What a registry may have under a name: without this it answers 404 for an image of several platforms. */
const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** Asks the registry that the image's name names whether it has it. A registry that wants a login is Tsuru's to answer. */
export async function checkImage(
  { context: { image } }: CheckOptions,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { registry, repository, reference } = readImageName(image);
  const sees = `Tsuru's first deploy shows whether it can be pulled`;
  if (registry === '') {
    return [unknown(`The image ${image} was not looked up, as its name has no registry: ${sees}.`)];
  }
  const isLocal = /^(localhost|127\.)/.test(registry);
  try {
    const { status } = await fetch(
      `${isLocal ? 'http' : 'https'}://${registry}/v2/${repository}/manifests/${reference}`,
      {
        method: 'HEAD',
        headers: { accept: MANIFESTS },
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(REGISTRY_LIMIT_MS)]),
      },
    );
    if (status === 200) return [good(`The registry ${registry} has the image ${image}.`)];
    if (status === 404) {
      return [
        problem(`The registry ${registry} has no image ${image}: push it, or set BROKER_IMAGE to one that is there.`),
      ];
    }
    return [
      unknown(
        `The registry ${registry} answers ${status} without a login, so the image ${image} is not known: ${sees}.`,
      ),
    ];
  } catch (error) {
    signal.throwIfAborted();
    return [unknown(`The registry ${registry} was not reached (${errorText(error)}): ${sees}.`)];
  }
}
