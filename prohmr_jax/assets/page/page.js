"use strict";
// Shows the bodies of each person of the page: one at a time, turned by the mouse.
// Vertices are 16-bit shares of `range` metres, x right, y down, z away from the camera.

const VERTEX = `
attribute vec3 position, normal, color;
uniform mat3 turn;
uniform float zoom, range;
varying vec3 n, c;
void main() {
  vec3 p = turn * vec3(position.x, -position.y, -position.z) / range;
  n = turn * vec3(normal.x, -normal.y, -normal.z);
  c = color;
  float away = 5.0 - p.z;
  gl_Position = vec4(4.2 * zoom * p.xy, 1.5 * away - 5.0, away);
}`;
const FRAGMENT = `
precision mediump float;
uniform float alpha;
varying vec3 n, c;
void main() {
  vec3 m = normalize(n);
  float key = max(dot(m, normalize(vec3(-0.4, 0.6, 0.8))), 0.0);
  float sky = 0.5 + 0.5 * m.y;
  gl_FragColor = vec4(c * (0.3 + 0.25 * sky + 0.5 * key) * alpha, alpha);
}`;
const PLAIN = [173, 204, 237], GHOST = [246, 189, 191];
const VIEWS = { camera: [0, 0], side: [Math.PI / 2, 0], back: [Math.PI, 0], top: [0, Math.PI / 2] };

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}

function program(gl) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  gl.useProgram(made);
  return made;
}

// Returns one normal for each vertex, the mean of its triangles' by their areas.
function normals(points, faces) {
  const sum = new Float32Array(points.length);
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
    const u = [0, 1, 2].map((k) => points[b + k] - points[a + k]);
    const v = [0, 1, 2].map((k) => points[c + k] - points[a + k]);
    for (let k = 0; k < 3; k++) {
      const i = (k + 1) % 3, j = (k + 2) % 3, area = u[i] * v[j] - u[j] * v[i];
      sum[a + k] += area; sum[b + k] += area; sum[c + k] += area;
    }
  }
  return sum;
}

function turnOf(yaw, pitch) {
  const [c, s, d, t] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  return [c, t * s, -d * s, 0, d, t, s, -t * c, d * c];  // column by column
}

function show(element, person, faces) {
  const canvas = element.querySelector("canvas");
  const gl = canvas.getContext("webgl", { antialias: true, preserveDrawingBuffer: true });
  if (!gl) {
    element.querySelector(".no-3d").hidden = false;
    canvas.hidden = true;
    return;
  }
  const used = program(gl);
  const at = (name) => gl.getUniformLocation(used, name);
  const wide = faces instanceof Uint32Array;
  if (wide) gl.getExtension("OES_element_index_uint");
  const buffer = (kind, data) => {
    const made = gl.createBuffer();
    gl.bindBuffer(kind, made);
    gl.bufferData(kind, data, gl.STATIC_DRAW);
    return made;
  };
  buffer(gl.ELEMENT_ARRAY_BUFFER, faces);
  const count = new Int16Array(bytes(person.bodies[0])).length / 3;
  const bodies = person.bodies.map((text) => {
    const points = Float32Array.from(new Int16Array(bytes(text)), (x) => (x * person.range) / 32767);
    return {
      position: buffer(gl.ARRAY_BUFFER, points),
      normal: buffer(gl.ARRAY_BUFFER, normals(points, faces)),
    };
  });
  const flat = (rgb) => Uint8Array.from({ length: 3 * count }, (_, k) => rgb[k % 3]);
  const colors = { plain: buffer(gl.ARRAY_BUFFER, flat(PLAIN)), ghost: buffer(gl.ARRAY_BUFFER, flat(GHOST)) };
  if (person.spread) colors.spread = buffer(gl.ARRAY_BUFFER, new Uint8Array(bytes(person.spread)));
  const bind = (name, data, type) => {
    const place = gl.getAttribLocation(used, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, data);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, 3, type, type === gl.UNSIGNED_BYTE, 0, 0);
  };
  const state = { body: 0, yaw: 0, pitch: 0, zoom: 1 };
  const chosen = (name) => element.querySelector(`[name=${name}]`);
  const draw = () => {
    const side = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    gl.viewport(0, 0, side, side);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    for (const ability of [gl.DEPTH_TEST, gl.CULL_FACE, gl.BLEND]) gl.enable(ability);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.uniformMatrix3fv(at("turn"), false, turnOf(state.yaw, state.pitch));
    gl.uniform1f(at("zoom"), state.zoom);
    gl.uniform1f(at("range"), person.range);
    const body = (number, color, alpha) => {
      gl.uniform1f(at("alpha"), alpha);
      bind("position", bodies[number].position, gl.FLOAT);
      bind("normal", bodies[number].normal, gl.FLOAT);
      bind("color", color, gl.UNSIGNED_BYTE);
      gl.drawElements(gl.TRIANGLES, faces.length, wide ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT, 0);
    };
    const spread = chosen("spread");
    body(state.body, spread && spread.checked ? colors.spread : colors.plain, 1);
    if (chosen("ghosts").checked) {
      gl.depthMask(false);
      bodies.forEach((_, number) => number !== state.body && body(number, colors.ghost, 0.2));
      gl.depthMask(true);
    }
    element.querySelector("output").textContent = person.labels[state.body];
  };
  element.addEventListener("input", () => {
    state.body = Number(chosen("body").value);
    draw();
  });
  for (const button of element.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      [state.yaw, state.pitch, state.zoom] = [...VIEWS[button.value], 1];
      draw();
    });
  }
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    state.yaw += event.movementX * 0.01;
    state.pitch = Math.max(-1.57, Math.min(1.57, state.pitch + event.movementY * 0.01));
    draw();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    state.zoom = Math.max(0.3, Math.min(8, state.zoom * Math.exp(-event.deltaY * 0.001)));
    draw();
  }, { passive: false });
  addEventListener("resize", draw);
  draw();
}

const data = JSON.parse(document.getElementById("data").textContent);
const meshes = data.faces.map((mesh) => new (mesh.wide ? Uint32Array : Uint16Array)(bytes(mesh.numbers)));
document.querySelectorAll(".bodies").forEach((element, number) => {
  const person = data.people[number];
  show(element, person, meshes[person.faces]);
});
