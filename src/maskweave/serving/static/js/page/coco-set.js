// Many images' COCO files as one.

/** One document of several, each with images, annotations and categories; numbers are given anew, names stay. */
export function joinedCoco(documents) {
  const categories = new Map(); // name → category
  const images = [];
  const annotations = [];
  for (const document of documents) {
    const ids = new Map();
    for (const category of document.categories) {
      if (!categories.has(category.name)) categories.set(category.name, { ...category, id: categories.size + 1 });
      ids.set(category.id, categories.get(category.name).id);
    }
    const numbers = new Map();
    for (const image of document.images) {
      numbers.set(image.id, images.length + 1);
      images.push({ ...image, id: images.length + 1 });
    }
    for (const annotation of document.annotations) {
      annotations.push({
        ...annotation,
        id: annotations.length + 1,
        image_id: numbers.get(annotation.image_id),
        category_id: ids.get(annotation.category_id),
      });
    }
  }
  return { ...documents[0], images, annotations, categories: [...categories.values()] };
}
