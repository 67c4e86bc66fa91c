import { BrokerError, ParametersRefused } from '../errors.ts';
import { versionOf } from '../image-name.ts';
import type { DeployEvent } from '../tsuru/api.ts';
import type { App } from '../tsuru/app.ts';
import { IMAGE_ANNOTATION, REQUESTED_IMAGE_ANNOTATION, type Operation } from './parts/instance.ts';

/** The last deploy before the app was given its image: while it is still the last, that image was not deployed. */
const BEFORE_ANNOTATION = 'prometheus-service/deploy-before-image';

/** The image that an app was given, and whether its deploy succeeded or still goes on. */
export interface ImageState {
  /** Undefined: an instance of an earlier version does not say. */
  readonly image: string | undefined;
  readonly isDone: boolean;
}

export function imageStateOf({ annotations }: App, last: DeployEvent | undefined): ImageState {
  const before = annotations.get(BEFORE_ANNOTATION);
  const isBegun = before === undefined || last?.id !== before;
  return { image: annotations.get(IMAGE_ANNOTATION), isDone: isBegun && (last?.error ?? '') === '' };
}

/**
 * The image that the parameter `image` asks for; undefined if nothing is to be deployed. Its value is a state: Tsuru sends it with each update,
 * also after an administrator has upgraded the instance past it.
 * @param newest The image of the broker.
 * @throws {ParametersRefused} when there is no such version.
 */
export function requestedImage(
  newest: string,
  app: App,
  last: DeployEvent | undefined,
  version: string,
): string | undefined {
  if (version === '') return undefined;
  const { image, isDone } = imageStateOf(app, last);
  if (image !== undefined && version === versionOf(image)) return isDone ? undefined : image;
  if (version === versionOf(newest)) return newest;
  if (version === app.annotations.get(REQUESTED_IMAGE_ANNOTATION)) return undefined;
  throw unknownVersion(newest, version);
}

/** Refuses the parameter of an instance that is to be made, which gets the newest image. */
export function assertNewest(newest: string, version: string): void {
  if (version !== '' && version !== versionOf(newest)) throw unknownVersion(newest, version);
}

function unknownVersion(newest: string, version: string): ParametersRefused {
  return new ParametersRefused(`There is no version ${version} of the image: the newest is ${versionOf(newest)}.`, [
    'image',
  ]);
}

/** Notes the image that the app is about to be given. To be called in the instance's turn. */
export async function noteImage(operation: Operation, image: string): Promise<void> {
  const { api, names, locked } = operation;
  const last = await api.lastDeploy(names.part);
  if (last?.isRunning === true) {
    throw new BrokerError(400, 'The instance is being deployed: try again when that has ended.');
  }
  const annotations = { [IMAGE_ANNOTATION]: image, [BEFORE_ANNOTATION]: last?.id ?? '' };
  await locked(() => api.changeApp(names.part, { annotations }, 'no restart'));
}

/** `; image 1.2.0, the newest is 1.3.0`; '' where the app has the newest. */
export function imageText(newest: string, app: App): string {
  const image = app.annotations.get(IMAGE_ANNOTATION);
  if (image === newest) return '';
  return `; image ${image === undefined ? 'unknown' : versionOf(image)}, the newest is ${versionOf(newest)}`;
}
