"""Writes a body with skeleton, skin and animation as GLB (glTF 2.0).

Blender, Unity and three.js play it. The skin is blended linearly; the corrections of
the body model that depend on the pose are left out, as the format has nothing alike.
"""

import os

import numpy as np
import pygltflib
import trimesh
from scipy.spatial.transform import Rotation

from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.motion.movement import Movement
from prohmr_jax.rendering.colors import BODY_BLUE, to_linear
from prohmr_jax.skeleton import SMPL_24, SMPL_PARENTS

# Joints that may move one vertex; programs on graphics cards read this many.
_NUM_INFLUENCES = 4


def write_skinned_glb(path: str | os.PathLike, movement: Movement) -> None:
    """Writes the movement of a body, metres, Y up, times in seconds.

    A movement of one pose is a posed body without animation.

    Args:
      path: file to write.
      movement: the body and its poses.

    Raises:
      InputError: the file cannot be written.
    """
    buffer = _Buffer()
    gltf, skeleton = buffer.gltf, movement.skeleton
    rest = skeleton.joints
    num_joints = len(rest)
    body = num_joints

    # Nodes 0 to 23 are the joints, the next one is the body.
    quaternions = _continuous_quaternions(movement.rotmats)
    for joint, parent in enumerate(SMPL_PARENTS):
        place = movement.root[0] if parent < 0 else rest[joint] - rest[parent]
        gltf.nodes.append(
            pygltflib.Node(
                name=SMPL_24.names[joint],
                children=[c for c, p in enumerate(SMPL_PARENTS) if p == joint],
                translation=place.tolist(),
                rotation=quaternions[0, joint].tolist(),
            )
        )
    gltf.nodes.append(pygltflib.Node(name="body", mesh=0, skin=0))
    gltf.scenes = [pygltflib.Scene(nodes=[SMPL_PARENTS.index(-1), body])]
    gltf.scene = 0

    to_bone = np.tile(np.eye(4), (num_joints, 1, 1))
    to_bone[:, :3, 3] = -rest
    gltf.skins = [
        pygltflib.Skin(
            skeleton=SMPL_PARENTS.index(-1),
            joints=list(range(num_joints)),
            # The format stores matrices column by column.
            inverseBindMatrices=buffer.add(
                to_bone.swapaxes(1, 2).astype("<f4"), pygltflib.MAT4
            ),
        )
    ]
    _add_mesh(buffer, movement)
    if len(movement) > 1:
        _add_animation(buffer, movement, quaternions)
    content = buffer.glb()
    write_atomically(path, lambda stream: stream.write(content))


class _Buffer:
    """Collects arrays into the binary part of one file."""

    def __init__(self):
        self.gltf = pygltflib.GLTF2()
        self._content = bytearray()

    def add(self, array: np.ndarray, kind: str, target: int | None = None) -> int:
        """Returns the number of the accessor of an array, [N, ...], little-endian."""
        types = {
            "f4": pygltflib.FLOAT,
            "u2": pygltflib.UNSIGNED_SHORT,
            "u4": pygltflib.UNSIGNED_INT,
        }
        content = np.ascontiguousarray(array).tobytes()
        view = pygltflib.BufferView(
            buffer=0,
            byteOffset=len(self._content),
            byteLength=len(content),
            target=target,
        )
        self._content += content + bytes(-len(content) % 4)
        flat = array.reshape(len(array), -1)
        accessor = pygltflib.Accessor(
            bufferView=len(self.gltf.bufferViews),
            componentType=types[array.dtype.str[1:]],
            count=len(array),
            type=kind,
            min=flat.min(axis=0).tolist(),
            max=flat.max(axis=0).tolist(),
        )
        self.gltf.bufferViews.append(view)
        self.gltf.accessors.append(accessor)
        return len(self.gltf.accessors) - 1

    def glb(self) -> bytes:
        """Returns the content of the file."""
        self.gltf.buffers = [pygltflib.Buffer(byteLength=len(self._content))]
        self.gltf.set_binary_blob(bytes(self._content))
        return b"".join(self.gltf.save_to_bytes())


def _add_mesh(buffer: _Buffer, movement: Movement) -> None:
    """Adds the rest mesh, its normals, its skin and its material."""
    skeleton = movement.skeleton
    weights = skeleton.skinning_weights
    strongest = np.argsort(-weights, axis=1, kind="stable")[:, :_NUM_INFLUENCES]
    shares = np.take_along_axis(weights, strongest, axis=1)
    shares = shares / shares.sum(axis=1, keepdims=True)
    # The format wants joint 0 where a share is nothing.
    strongest = np.where(shares > 0, strongest, 0)
    vertex, face = pygltflib.ARRAY_BUFFER, pygltflib.ELEMENT_ARRAY_BUFFER
    surface = trimesh.Trimesh(skeleton.vertices, skeleton.faces, process=False)
    normals = surface.vertex_normals
    attributes = pygltflib.Attributes(
        POSITION=buffer.add(skeleton.vertices.astype("<f4"), pygltflib.VEC3, vertex),
        NORMAL=buffer.add(normals.astype("<f4"), pygltflib.VEC3, vertex),
        JOINTS_0=buffer.add(strongest.astype("<u2"), pygltflib.VEC4, vertex),
        WEIGHTS_0=buffer.add(shares.astype("<f4"), pygltflib.VEC4, vertex),
    )
    indices = skeleton.faces.reshape(-1).astype("<u4")
    primitive = pygltflib.Primitive(
        attributes=attributes,
        indices=buffer.add(indices, pygltflib.SCALAR, face),
        material=0,
    )
    buffer.gltf.meshes = [pygltflib.Mesh(name="body", primitives=[primitive])]
    color = [*to_linear(np.array(BODY_BLUE)).tolist(), 1.0]
    look = pygltflib.PbrMetallicRoughness(
        baseColorFactor=color, metallicFactor=0.0, roughnessFactor=0.7
    )
    material = pygltflib.Material(name="body", pbrMetallicRoughness=look)
    buffer.gltf.materials = [material]


def _add_animation(
    buffer: _Buffer, movement: Movement, quaternions: np.ndarray
) -> None:
    """Adds the rotations of all joints and the way of the root."""
    times = buffer.add(movement.times.astype("<f4"), pygltflib.SCALAR)
    animation = pygltflib.Animation(name="movement")

    def animate(node: int, path: str, values: np.ndarray, kind: str) -> None:
        output = buffer.add(values.astype("<f4"), kind)
        sampler = pygltflib.AnimationSampler(input=times, output=output)
        target = pygltflib.AnimationChannelTarget(node=node, path=path)
        channel = pygltflib.AnimationChannel(
            sampler=len(animation.samplers), target=target
        )
        animation.samplers.append(sampler)
        animation.channels.append(channel)

    animate(SMPL_PARENTS.index(-1), "translation", movement.root, pygltflib.VEC3)
    for joint in range(quaternions.shape[1]):
        animate(joint, "rotation", quaternions[:, joint], pygltflib.VEC4)
    buffer.gltf.animations = [animation]


def _continuous_quaternions(rotmats: np.ndarray) -> np.ndarray:
    """Returns quaternions (x, y, z, w), [T, 24, 4], without jumps of sign in time."""
    shape = rotmats.shape[:-2]
    quaternions = Rotation.from_matrix(rotmats.reshape(-1, 3, 3)).as_quat()
    quaternions = quaternions.reshape(*shape, 4)
    opposite = np.sum(quaternions[1:] * quaternions[:-1], axis=-1, keepdims=True) < 0
    quaternions[1:] *= np.cumprod(np.where(opposite, -1.0, 1.0), axis=0)
    return quaternions
