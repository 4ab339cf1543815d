// Files from the clipboard go to the server as they are; it decides what they are.

const fields = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let field = fields.get(parentElement);
  if (!field) {
    const root = parentElement.querySelector(".paste"), news = root.querySelector(".news");
    field = {};
    field.pasted = async (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      const sent = [];
      news.textContent = "";
      for (const file of files) {
        if (file.size > field.most) news.textContent = `${file.name || "The picture"} has ${(file.size / 1e6).toFixed(1)} MB, more than ${field.most / 1e6}: it was not sent.`;
        else sent.push({ name: file.name || "pasted picture", content: await packed(file) });
      }
      if (sent.length) field.tell(sent);
    };
    document.addEventListener("paste", field.pasted);
    fields.set(parentElement, field);
  }
  field.most = data.mostBytes;
  field.tell = (sent) => setTriggerValue("pasted", sent);
  return () => {
    document.removeEventListener("paste", field.pasted);
    fields.delete(parentElement);
  };
}

function packed(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
